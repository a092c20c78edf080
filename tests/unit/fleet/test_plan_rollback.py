"""Back to a release that was kept, in examples with their whole result."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleet import naming
from fleet.errors import InvalidInput, TransientError
from fleet.rollback import Kept, RollbackPlan, kept_releases, plan_rollback
from fleet.state import Host, World
from tests.unit.fleet.worlds import (
    DOMAIN,
    HELLO,
    NEW,
    OLD,
    OLDER,
    OWNER,
    SPEC,
    at_rest,
    container,
    droplet,
    foreign,
    host,
    record,
    service,
)

KEPT = replace(
    at_rest("1", "2"), hosts=tuple(host(one, container(), container(role="previous", release=OLDER)) for one in "12")
)
A, B = (droplet(letter).name for letter in "12")


def back(world: World, release: str | None = None) -> RollbackPlan:
    """The plan for the service `hello`."""
    return plan_rollback(world, OWNER, SPEC, service(), release)


def on_two(first: tuple[str, str | None], second: tuple[str, str | None]) -> World:
    """Two droplets with their current and previous releases."""
    hosts = []
    for letter, (current, previous) in (("1", first), ("2", second)):
        kept = [container(role="previous", release=previous)] if previous else []
        hosts.append(host(letter, container(release=current), *kept))
    return replace(KEPT, hosts=tuple(hosts))


def refusal(world: World, release: str | None = None) -> str:
    """What is said to a rollback that cannot be."""
    with pytest.raises(InvalidInput) as caught:
        back(world, release)
    return str(caught.value)


def test_without_a_release_it_is_the_one_before_everywhere() -> None:
    assert back(KEPT).lines() == [
        f"go back to {OLDER} on {A}, from {OLD}",
        f"go back to {OLDER} on {B}, from {OLD}",
        "keep A record hello.example.com to 192.0.2.1",
        "keep A record hello.example.com to 192.0.2.2",
    ]
    assert back(KEPT).before.releases == {A: OLD, B: OLD}
    assert len(back(KEPT).digest) == 12


def test_a_change_that_was_cut_off_is_taken_to_the_older_of_both() -> None:
    for world in (on_two((OLDER, OLD), (OLD, OLDER)), on_two((OLD, OLDER), (OLDER, None))):
        plan = back(world)
        assert plan.release == OLDER
        assert sum(one.changes for one in plan.operations) == 1


def test_it_never_goes_forward_by_itself_but_does_when_told() -> None:
    world = on_two((OLD, NEW), (OLD, NEW))
    assert refusal(world) == (
        f"The release before {OLD}, which serves, is {NEW}, a newer one. Name the one to go to, of {NEW}, or deploy."
    )
    assert back(world, NEW).release == NEW


def test_a_second_time_there_is_nothing_to_do() -> None:
    assert back(at_rest("1", "2"), OLD).at_rest
    assert not back(KEPT).at_rest
    assert not back(replace(at_rest("1"), hosts=(host("1", container(status="exited")),)), OLD).at_rest


def test_a_droplet_that_lacks_the_release_is_named_with_what_it_has() -> None:
    assert refusal(on_two((OLD, OLDER), (OLD, None))) == (
        f"{OLDER} cannot serve everywhere, so nothing has been changed: {B} has {OLD} (current). "
        "Choose a release that every droplet has, or deploy."
    )
    assert refusal(on_two((OLD, OLDER), (OLD, None)), NEW) == (
        f"{NEW} cannot serve everywhere, so nothing has been changed: "
        f"{A} has {OLD} (current), {OLDER} (previous); {B} has {OLD} (current). "
        "Choose a release that every droplet has, or deploy."
    )


def test_it_goes_to_any_release_that_every_droplet_has_kept() -> None:
    kept = container(role="kept", release=OLDER)
    hosts = tuple(host(one, container(release=NEW), container(role="previous"), kept) for one in "12")
    world = replace(KEPT, hosts=hosts)
    assert back(world).release == OLD, "the previous one, when nobody says which"
    plan = back(world, OLDER)
    assert [one.text for one in plan.operations if one.changes] == [
        f"go back to {OLDER} on {A}, from {NEW}",
        f"go back to {OLDER} on {B}, from {NEW}",
    ]
    assert plan.before.previous == {A: OLD, B: OLD}
    lacking = replace(KEPT, hosts=(hosts[0], host("2", container(release=NEW), container(role="previous"))))
    assert f"{B} has {NEW} (current), {OLD} (previous). Choose" in refusal(lacking, OLDER)


def test_once_it_has_gone_back_it_goes_no_further_before_it_is_told_where_to() -> None:
    older = "20261030t000000-dddddd"
    seen = container(), container(role="previous", release=NEW), container(role="kept", release=older)
    assert refusal(World((host("1", *seen),))) == (
        f"The release before {OLD}, which serves, is {NEW}, a newer one. "
        f"Name the one to go to, of {older}, {NEW}, or deploy."
    )


def test_where_a_change_that_was_cut_off_has_left_no_previous_release_it_is_the_next_older_one() -> None:
    kept = [container(role="kept", release=one) for one in (OLDER, "20261030t000000-dddddd", NEW)]
    assert back(World((host("1", container(), *kept),), (record("1"),))).release == OLDER


def test_a_candidate_that_failed_is_nothing_to_go_back_to() -> None:
    world = World((host("1", container(), container(role="candidate", release=NEW, status="exited")),))
    assert f"{NEW} cannot serve everywhere" in refusal(world, NEW)
    assert kept_releases({A: world.hosts[0].containers}) == ()


def test_what_can_be_gone_back_to_is_told_with_the_droplets_that_have_it_and_those_that_have_not() -> None:
    first = [container(release=NEW), container(role="previous"), container(role="kept", release=OLDER)]
    second = [container(), container(role="previous", release=NEW), container("shop", "previous")]
    assert kept_releases({A: first, B: second, "demo-prod-000003": [container("redis")]}) == (
        Kept(HELLO, NEW, "sha256:0", (A, B), ()),
        Kept(HELLO, OLD, "sha256:0", (A, B), ()),
        Kept(HELLO, OLDER, "sha256:0", (A,), (B,)),
        Kept(naming.container(OWNER, SPEC, "shop"), OLD, "sha256:0", (B,), ()),
    )


def test_where_nothing_was_kept_it_says_so() -> None:
    assert refusal(at_rest("1")) == (
        f"No droplet has kept a release older than {OLD}, which serves. Deploy what is wanted instead."
    )


def test_a_service_that_runs_nowhere_cannot_go_back() -> None:
    assert refusal(World((host("1", container("shop")),))) == "hello runs on no droplet of demo-prod. Deploy it."


def test_a_droplet_that_cannot_be_seen_stops_it() -> None:
    with pytest.raises(TransientError, match=r"000003 \(no answer\)"):
        back(replace(KEPT, hosts=(*KEPT.hosts, Host(droplet("3"), error="no answer"))))


def test_records_follow_the_names_of_the_release_and_those_to_droplets_that_are_gone_go() -> None:
    named = replace(container(role="previous", release=OLDER), hosts=("old.example.com",))
    world = World((host("1", container(), named),), (record("1"), record("9"), foreign("www.example.com")))
    plan = back(world)
    assert plan.domains == ("old.example.com",)
    assert [one.text for one in plan.operations if one.part == "record"] == [
        f"add A record old.example.com to 192.0.2.1 ({A})",
        f"remove A record {DOMAIN} to 192.0.2.1: the service gives the name up",
        f"remove A record {DOMAIN} to 192.0.2.9: it is out of use",
    ]


def test_a_name_that_somebody_else_has_by_now_is_refused() -> None:
    named = replace(container(role="previous", release=OLDER), hosts=("old.example.com",))
    world = World((host("1", container(), named),), (record("1"), foreign("old.example.com")))
    assert "The zone has a record old.example.com (A 198.51.100.9)" in refusal(world)


def test_other_services_are_left_alone() -> None:
    world = replace(KEPT, hosts=(*KEPT.hosts, host("3", container("shop"))))
    assert back(world).hosts == tuple(one.droplet for one in KEPT.hosts)
    assert back(world).container == HELLO


def test_a_candidate_that_runs_where_the_service_never_served_goes_too() -> None:
    world = replace(KEPT, hosts=(*KEPT.hosts, host("3", container(role="candidate", release=NEW))))
    plan = back(world)
    assert [one.name for one in plan.strays] == ["demo-prod-000003"]
    assert plan.lines()[-1] == f"remove the candidate {NEW} from demo-prod-000003, which never served it"
    assert not plan.at_rest
