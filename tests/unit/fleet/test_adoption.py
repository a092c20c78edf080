"""What a controller without a memory makes of the world."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fleet import naming
from fleet.adoption import Adopted, AdoptionPlan, Held, Left, Sight, check_seen, count_strays, plan_adoption
from fleet.errors import TransientError
from fleet.naming import Tombstone
from fleet.state import Record
from tests.unit.fleet.leaving import NEW, OLD, OWNER, SPEC, container, droplet, host, record, silent

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
HELLO = naming.container(OWNER, SPEC, "hello")


def left(service: str = "hello", release: str = OLD, droplet: str = "demo-prod-000001", hours: int = 0) -> Left:
    """A manifest on a droplet."""
    at = AT + timedelta(hours=hours)
    return Left(naming.container(OWNER, SPEC, service), droplet, release, at, "a run", f"{release} {hours}")


def planned(*sights: Sight, records: tuple[Record, ...] = (), **how: Any) -> AdoptionPlan:
    """The plan for these droplets."""
    return plan_adoption(sights, records, OWNER, SPEC, **how)


def only(plan: AdoptionPlan) -> Adopted:
    """The only service."""
    (found,) = plan.services
    return found


def test_what_runs_and_has_a_manifest_is_made_with_all_that_is_known_of_it() -> None:
    older = replace(host(1, "hello"), containers=(container(), container(role="kept", release=NEW)))
    plan = planned(Sight(host(2, "hello")), Sight(older, (left(),)), records=(record(1), record(2), record(1, "shop")))
    found = only(plan)
    assert (found.service, found.verb, found.note) == ("hello", "make", "")
    assert (found.releases, found.older) == ((OLD,), (NEW,))
    assert found.droplets == ("demo-prod-000001", "demo-prod-000002")
    assert (found.domains, found.records) == (("hello.example.com",), 2)
    assert plan.lines() == ["hello: make its block"]


def test_of_several_manifests_the_one_of_the_latest_release_counts_and_of_those_the_last_written() -> None:
    first = Sight(host(1, "hello"), (left(release=NEW, hours=1),))
    later = Sight(host(2), (left(release=OLD, hours=9),))
    last = Sight(host(3), (left(release=NEW, hours=2),))
    for order in ((first, later, last), (last, later, first)):
        assert only(planned(*order)).left == left(release=NEW, hours=2)


def test_a_block_that_is_there_stays() -> None:
    plan = planned(Sight(host(1, "hello"), (left(),)), known={"hello"})
    assert (plan.lines(), plan.making) == (["hello: has a block: left as it is"], ())


def test_what_nobody_left_a_manifest_of_is_told() -> None:
    found = only(planned(Sight(host(1, "hello"))))
    assert found.verb == "unknown"
    assert "make its Service block by hand" in found.note


def test_what_runs_nowhere_is_made_only_where_that_is_asked_for() -> None:
    sight = Sight(host(1), (left(),))
    assert only(planned(sight)).verb == "absent"
    assert only(planned(sight, absent=True)).verb == "make"


def test_manifests_and_containers_of_other_environments_are_not_ours() -> None:
    other = replace(left(), container=f"{OWNER}_demo_staging_hello")
    assert planned(Sight(host(1), (other,))).services == ()


def test_a_change_that_was_cut_off_and_a_release_that_was_gone_back_to_are_told() -> None:
    torn = planned(Sight(host(1, "hello"), (left(),)), Sight(replace(host(2), containers=(container(release=NEW),))))
    assert only(torn).releases == (NEW, OLD)
    assert only(torn).note.startswith("a change was cut off")
    back = planned(Sight(host(1, "hello"), (left(release=NEW),)))
    assert only(back).note == f"its manifest is that of {NEW}: the next deploy brings what that says"


def test_a_droplet_that_cannot_be_seen_stops_it_and_one_with_a_tombstone_does_not() -> None:
    with pytest.raises(TransientError, match=r"nothing has been written: demo-prod-000001 \(the agent did not answer"):
        check_seen(planned(Sight(silent(1))))
    stone = naming.tombstone_tag(Tombstone("hello", AT))
    plan = planned(Sight(silent(1, stone)))
    check_seen(plan)
    assert plan.tombstones == (("demo-prod-000001", "hello, since 2026-11-24 12:00 UTC"),)


def test_locks_pauses_and_watchdogs_are_told_each_once() -> None:
    lock = Held(HELLO, "demo-prod-000001", "deploy hello on a laptop", AT)
    sights = [
        Sight(
            host(number, "hello"), locks=(lock,) if number == 1 else (), pauses=("everything",), watched=(str(number),)
        )
        for number in (1, 2)
    ]
    plan = planned(*sights)
    assert (plan.locks, plan.pauses, plan.watched) == ((lock,), ("everything",), ("1", "2"))


def test_environments_that_have_droplets_and_no_block_are_counted() -> None:
    mine, other = droplet(1).tags, frozenset({"deployer", "deployer:shop:staging", "op:0123456789ab-1"})
    theirs = frozenset({"deployer:theirs:prod"})
    assert count_strays([mine, other, other, theirs], {"demo-prod"}) == {"shop-staging": 2}
