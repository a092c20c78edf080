"""What has to go, in examples with their whole result."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from fleet import naming
from fleet.errors import InvalidInput, PermanentError
from fleet.naming import Tombstone
from fleet.proof import left_behind, prove
from fleet.removal import Pending, check_droplet, plan_finish, plan_undeploy
from fleet.state import Host, Inventory, Record
from tests.unit.fleet.leaving import (
    FIREWALL,
    MADE,
    NEW,
    NOW,
    OLD,
    OTHER_OWNER,
    OWNER,
    SPEC,
    TAG,
    after,
    container,
    droplet,
    host,
    record,
    route,
    scope,
    silent,
    world,
)

HELLO = "9fe5e6_demo_prod_hello"
STONE = "deployer-tombstone:hello:20261120t120000"
TWO = world(host(1, "hello"), host(2, "hello"), records=(record(1), record(2)))


def test_records_go_first_then_routes_and_containers() -> None:
    assert plan_undeploy(TWO, scope()).lines() == [
        "remove A record hello.example.com to 192.0.2.1",
        "remove A record hello.example.com to 192.0.2.2",
        "remove route hello.example.com from demo-prod-000001",
        f"remove container {HELLO} from demo-prod-000001",
        "remove route hello.example.com from demo-prod-000002",
        f"remove container {HELLO} from demo-prod-000002",
        "remove images that nothing uses from demo-prod-000001",
        "remove images that nothing uses from demo-prod-000002",
    ]


def test_one_droplet_is_left_and_the_other_stays() -> None:
    assert plan_undeploy(TWO, scope(droplet="demo-prod-000002")).lines() == [
        "remove A record hello.example.com to 192.0.2.2",
        "remove route hello.example.com from demo-prod-000002",
        f"remove container {HELLO} from demo-prod-000002",
        "remove images that nothing uses from demo-prod-000002",
    ]


def test_other_services_other_owners_and_other_peoples_records_stay() -> None:
    stranger = Host(droplet(1), (container("shop"), container(owner=OTHER_OWNER)), routes=(route("shop"),))
    theirs = Record("x", "hello.example.com", "A", "198.51.100.9", False, "a web server")
    seen = world(stranger, host(2, "hello", "shop"), records=(theirs, record(1, "shop")))
    plan = plan_undeploy(seen, scope())
    assert (plan.records, [one.droplet.name for one in plan.departures]) == ((), ["demo-prod-000002"])
    assert plan.spared == ("A record hello.example.com to 198.51.100.9: it was not made here",)


def test_a_service_that_only_a_route_names_goes_too() -> None:
    assert plan_undeploy(world(Host(droplet(1), routes=(route(),))), scope()).lines() == [
        "remove route hello.example.com from demo-prod-000001"
    ]


def test_all_roles_of_a_service_are_named() -> None:
    both = Host(droplet(1), (container(), container(role="candidate", release=NEW)))
    departure = plan_undeploy(world(both), scope()).departures[0]
    assert departure.items()[0].now == f"candidate {NEW}, current {OLD}"
    assert departure.newest == NEW


def test_without_a_service_everything_of_the_environment_goes() -> None:
    seen = world(host(1, "hello", "shop"), records=(record(1), record(1, "shop")))
    plan = plan_undeploy(seen, scope(None))
    assert plan.records == seen.records
    assert [naming.service_of(one.container) for one in plan.departures] == ["hello", "shop"]


def test_where_nothing_is_there_are_no_lines() -> None:
    assert plan_undeploy(world(host(1)), scope()).lines() == []


def test_a_droplet_that_is_not_there_is_refused_with_those_that_are() -> None:
    absent = scope(droplet="demo-prod-00000x")
    with pytest.raises(InvalidInput) as caught:
        check_droplet(plan_undeploy(TWO, absent), TWO, absent)
    assert str(caught.value) == (
        "demo-prod has no droplet 'demo-prod-00000x'. "
        "Its droplets: demo-prod-000001, demo-prod-000002. Choose one of them."
    )


def test_a_destroyed_droplet_still_has_its_record_removed() -> None:
    seen, destroyed = world(host(1, "hello"), records=(record(2),)), scope(droplet="demo-prod-000002")
    plan = plan_undeploy(seen, destroyed)
    assert plan.lines() == ["remove A record hello.example.com to 192.0.2.2"]
    check_droplet(plan, seen, destroyed)


def test_a_destroyed_droplet_still_has_its_firewall_and_tags_removed_when_it_was_the_last() -> None:
    seen, destroyed = world(), scope(destroy_empty=True, droplet="demo-prod-000001")
    plan = plan_undeploy(seen, destroyed)
    assert (plan.firewall, plan.tags) == (FIREWALL, (naming.TAG, TAG))
    check_droplet(plan, seen, destroyed)


def test_a_silent_droplet_loses_its_record_and_is_pending() -> None:
    seen = world(silent(1), host(2), records=(record(1),))
    plan = plan_undeploy(seen, scope())
    assert plan.lines() == [
        "remove A record hello.example.com to 192.0.2.1",
        "leave demo-prod-000001 pending: the agent did not answer: timed out",
    ]
    assert plan.pending == (
        Pending(droplet(1), Tombstone("hello", NOW), "the agent did not answer: timed out", placed=False),
    )


@pytest.mark.parametrize(
    ("known", "destroy", "placed", "outdated"),
    [
        ((STONE,), False, True, ()),
        (("deployer-tombstone:_all:20261101t000000",), False, True, ()),
        (("deployer-tombstone:shop:20261101t000000",), False, False, ()),
        ((STONE,), True, False, (STONE,)),
        ((f"{STONE}:destroy",), False, True, ()),
    ],
    ids=["the same", "everything", "another", "destroy too", "destroy already"],
)
def test_a_tombstone_that_says_it_already_is_enough(
    known: tuple[str, ...], destroy: bool, placed: bool, outdated: tuple[str, ...]
) -> None:
    pending = plan_undeploy(world(silent(1, *known)), scope(destroy_empty=destroy)).pending[0]
    assert (pending.placed, pending.outdated) == (placed, outdated)


def test_with_the_last_droplet_the_firewall_and_the_tags_go() -> None:
    plan = plan_undeploy(TWO, scope(destroy_empty=True))
    assert plan.lines()[-7:] == [
        "remove droplet demo-prod-000001",
        "remove droplet demo-prod-000002",
        "remove firewall deployer-demo.prod",
        "remove tag deployer",
        "remove tag deployer:demo:prod",
        "remove tag op:0123456789ab-1",
        "remove tag op:0123456789ab-2",
    ]
    assert plan.prunes == ()


def test_a_tag_that_something_else_carries_stays() -> None:
    snapshots = replace(TWO, tags={**TWO.tags, naming.TAG: 3})
    assert naming.TAG not in plan_undeploy(snapshots, scope(destroy_empty=True)).tags


def test_a_list_of_droplets_that_lags_ends_no_environment() -> None:
    lagging = replace(TWO, tags={**TWO.tags, TAG: 3})
    plan = plan_undeploy(lagging, scope(destroy_empty=True))
    assert (plan.firewall, TAG in plan.tags) == (None, False)


def test_what_a_killed_run_left_of_an_environment_goes() -> None:
    left = replace(world(), tags={naming.TAG: 2, TAG: 0, "op:0123456789ab-0": 0, "op:mine": 0, f"{STONE}:destroy": 0})
    plan = plan_undeploy(left, scope(destroy_empty=True))
    assert plan.firewall == FIREWALL
    assert plan.tags == (f"{STONE}:destroy", TAG, "op:0123456789ab-0")


@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        ({"strangers": ("postgres",)}, "containers are there that were not made here: postgres"),
        ({"volumes": (f"{HELLO}_data",)}, f"it holds the volumes {HELLO}_data"),
        ({"volumes": ("backup",)}, "it holds the volumes backup"),
    ],
)
def test_a_droplet_with_anything_else_on_it_is_not_empty(rest: dict[str, tuple[str, ...]], reason: str) -> None:
    plan = plan_undeploy(world(host(1, "hello", **rest)), scope(destroy_empty=True))
    assert (plan.destroyed, plan.firewall, plan.tags) == ((), None, ())
    assert plan.spared == (f"droplet demo-prod-000001: {reason}",)


def test_a_droplet_whose_agent_cannot_say_what_is_there_is_not_destroyed() -> None:
    plan = plan_undeploy(world(Host(droplet(1), (container(),))), scope(destroy_empty=True))
    assert plan.spared == ("droplet demo-prod-000001: its agent cannot say what else is there",)


def test_a_volume_goes_only_when_it_is_named() -> None:
    seen = world(host(1, "hello", volumes=(f"{HELLO}_data", f"{HELLO}_cache", f"{OTHER_OWNER}_demo_prod_hello_data")))
    plan = plan_undeploy(seen, scope(volumes=("data",)))
    assert plan.volumes == ((droplet(1), f"{HELLO}_data"),)
    assert f"remove volume {HELLO}_data from demo-prod-000001" in plan.lines()


def test_an_empty_droplet_that_is_new_is_left_to_the_deploy_that_may_be_making_it() -> None:
    young = replace(host(1), droplet=replace(droplet(1), created_at=NOW - timedelta(minutes=9)))
    assert plan_undeploy(world(young), scope(destroy_empty=True)).destroyed == ()
    assert plan_undeploy(world(young), scope(None, destroy_empty=True)).destroyed == (young.droplet,)
    assert plan_undeploy(world(host(1)), scope(destroy_empty=True)).destroyed == (droplet(1),)


def test_a_foreign_droplet_with_our_tag_is_left_alone_and_in_the_way_only_of_the_end() -> None:
    theirs = Host(droplet(2, ours=False), error="it was not asked")
    seen = world(host(1, "hello"), theirs)
    plan = plan_undeploy(seen, scope())
    assert (len(plan.departures), plan.pending) == (1, ())
    assert plan.spared == ("droplet demo-prod-000002: it was not made here",)
    with pytest.raises(PermanentError, match=r"demo-prod-000002 carries the tag .* Take the tag off it"):
        plan_undeploy(seen, scope(destroy_empty=True))
    with pytest.raises(InvalidInput, match="demo-prod-000002 was not made here, and is left alone"):
        plan_undeploy(seen, scope(droplet="demo-prod-000002"))


def test_a_foreign_firewall_of_our_name_is_left_alone() -> None:
    seen = world(host(1, "hello"), firewall=replace(FIREWALL, tags=("web",)))
    plan = plan_undeploy(seen, scope(destroy_empty=True))
    assert plan.firewall is None
    assert "firewall deployer-demo.prod: it was not made here" in plan.spared


def test_what_was_pending_is_finished_once_the_droplet_answers() -> None:
    plan = plan_finish(world(host(1, "hello", "shop", tags=(STONE,)), host(2, "hello")), OWNER, SPEC)
    assert plan.lines() == [
        "remove route hello.example.com from demo-prod-000001",
        f"remove container {HELLO} from demo-prod-000001",
        "remove images that nothing uses from demo-prod-000001",
    ]
    assert plan.settled == (), "only once it is proven"


def test_a_tombstone_is_settled_once_nothing_of_it_is_left() -> None:
    assert plan_finish(world(host(1, "shop", tags=(STONE,))), OWNER, SPEC).settled == ((droplet(1, STONE), STONE),)


def test_a_droplet_that_is_silent_still_stays_pending() -> None:
    plan = plan_finish(world(silent(1, STONE)), OWNER, SPEC)
    assert [(one.tombstone, one.placed) for one in plan.pending] == [(Tombstone("hello", NOW), True)]


def test_a_release_that_is_newer_than_the_tombstone_stays_and_settles_it() -> None:
    again = Host(droplet(1, STONE), (container(release=NEW), container(role="previous")), routes=(route(release=NEW),))
    plan = plan_finish(world(again), OWNER, SPEC)
    assert (plan.departures, plan.settled) == ((), ((again.droplet, STONE),))
    assert plan.spared == (f"{HELLO} on demo-prod-000001: {NEW} was deployed since",)


def test_a_release_of_the_very_second_of_its_tombstone_goes() -> None:
    same = naming.release(NOW, "9fe5e6")
    plan = plan_finish(world(Host(droplet(1, STONE), (container(release=same),))), OWNER, SPEC)
    assert ([one.newest for one in plan.departures], plan.spared) == ([same], ())


def test_two_tombstones_that_want_the_droplet_gone_have_it_destroyed_at_once() -> None:
    stones = (f"{STONE}:destroy", f"{STONE.replace('hello', 'shop')}:destroy")
    plan = plan_finish(world(host(1, "hello", "shop", tags=stones)), OWNER, SPEC)
    assert plan.destroyed == (droplet(1, *stones),)
    assert set(plan.tags) == {naming.TAG, TAG, "op:0123456789ab-1", *stones}
    assert plan.firewall == FIREWALL


def test_a_tombstone_that_no_droplet_carries_any_more_is_deleted() -> None:
    left = replace(world(host(1, "hello")), tags={TAG: 1, STONE: 0, "op:0123456789ab-9": 0})
    assert plan_finish(left, OWNER, SPEC).lines() == [f"remove tag {STONE}"]


def test_of_a_run_killed_behind_the_last_droplet_the_end_of_the_environment_is_made_up_for() -> None:
    left = replace(world(), tags={TAG: 0, f"{STONE}:destroy": 0, "op:0123456789ab-9": 0})
    plan = plan_finish(left, OWNER, SPEC)
    assert (plan.firewall, plan.tags) == (FIREWALL, (f"{STONE}:destroy", TAG, "op:0123456789ab-9"))


def test_a_deploy_since_keeps_a_droplet_that_was_to_be_destroyed() -> None:
    stone = f"{STONE}:destroy"
    again = Host(droplet(1, stone), (container(release=NEW),), inventory=Inventory())
    plan = plan_finish(world(again), OWNER, SPEC)
    assert (plan.destroyed, plan.settled) == ((), ((again.droplet, stone),))


def test_the_proof_names_what_is_gone_what_is_left_and_what_is_pending() -> None:
    done = plan_undeploy(TWO, scope())
    left = plan_undeploy(world(silent(1), host(2, "hello")), scope())
    rows = {(one.what, one.where): (one.now, one.how) for one in prove(done, left)}
    assert rows["A record", "192.0.2.1"] == ("gone", "Cloudflare lists no such record")
    assert rows["container", "demo-prod-000002"] == ("left", "asked again, and it is there")
    pending = ("pending", "the droplet does not answer: the agent did not answer: timed out")
    assert rows["container", "demo-prod-000001"] == pending
    assert left_behind(left) == [
        "route hello.example.com from demo-prod-000002",
        f"container {HELLO} from demo-prod-000002",
    ]


def test_images_that_docker_needs_for_something_else_are_no_failure() -> None:
    seen = world(host(1, "hello", unused=("sha256:1",)))
    left = plan_undeploy(after(seen, plan_undeploy(seen, scope())), scope())
    assert left_behind(left) == []
    stays = plan_undeploy(world(host(1, unused=("sha256:1",))), scope())
    assert [one.now for one in prove(plan_undeploy(seen, scope()), stays) if one.what == "images"] == ["in use"]
    assert left_behind(stays) == []


def test_a_tombstone_keeps_what_and_when_in_a_tag() -> None:
    assert naming.tombstone_tag(Tombstone("hello", NOW)) == STONE
    for stone in (Tombstone("hello", NOW), Tombstone(None, MADE), Tombstone("a-b", NOW, destroy=True)):
        assert naming.read_tombstone(naming.tombstone_tag(stone)) == stone
    for tag in ("", TAG, "deployer-tombstone", "deployer-tombstone:hello", f"{STONE}:burn", f"x{STONE}"):
        assert naming.read_tombstone(tag) is None
