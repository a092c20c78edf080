"""Which droplets give way to new ones, and what moves with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from fleet import naming
from fleet.errors import InvalidInput, TransientError
from fleet.roll import Move, RollPlan, Wanted, plan_roll
from fleet.spec import ImageSource, Runs, Scheduled, ServiceSpec, Tcp, Worker
from fleet.state import Host, Inventory, World
from tests.unit.fleet.worlds import (
    FIREWALL,
    HELLO,
    OLD,
    OWNER,
    SEED,
    SPEC,
    at_rest,
    container,
    droplet,
    host,
    record,
    routed,
    service,
)

TARGET = "9009"
KINDS: Mapping[str, Runs] = {
    "hello": service().runs,
    "cache": Tcp(6379),
    "ticker": Worker(exclusive=True),
    "nightly": Scheduled("0 4 * * *"),
}
SERVICES = {
    naming.container(OWNER, SPEC, name): ServiceSpec(name, ImageSource("debian:12"), runs, memory_mib=64)
    for name, runs in KINDS.items()
}


def roll(
    world: World, snapshot: str = TARGET, changed: Mapping[str, str] | None = None, leave_pinned: bool = False
) -> RollPlan:
    """The plan to a snapshot."""
    spec = replace(SPEC, snapshot=snapshot)
    return plan_roll(world, Wanted(OWNER, spec, SEED, SERVICES, changed or {}, leave_pinned))


def made(letter: str, place_of: str, *seen: str, role: str = "current") -> Host:
    """A droplet from the target in the place of another, with containers of these services."""
    new = droplet(letter, image=TARGET)
    new = replace(new, tags=new.tags | {naming.roll_tag(droplet(place_of).id)})
    found = tuple(container(name, role=role) for name in seen)  # type: ignore[arg-type]  # one of the roles
    return routed(Host(new, found, inventory=Inventory()))


def after(world: World, move: Move) -> World:
    """The world once a move is done."""
    old = next(one for one in world.hosts if one.droplet.id == move.old.id)
    new = made("f", old.droplet.name[-1]) if move.made is None else None
    stays = [one for one in world.hosts if one is not old and not (move.made and one.droplet.id == move.made.id)]
    image = replace(new.droplet if new else move.made or old.droplet, id=old.droplet.id + 50, name=move.new)
    moved = replace(old, droplet=replace(image, image=TARGET))
    return replace(world, hosts=(*stays, moved), records=tuple(one for one in world.records if one not in move.records))


def test_every_droplet_from_another_snapshot_gives_way_to_one_of_its_size_and_region() -> None:
    plan = roll(at_rest("1", "2"))
    assert [move.old.name for move in plan.moves] == ["demo-prod-000001", "demo-prod-000002"]
    request = plan.moves[0].request
    assert (request.image, request.size, request.region) == (TARGET, "s-1vcpu-1gb", "fra1")
    assert request.tags == naming.droplet_tags(SPEC) | {naming.roll_tag(droplet("1").id)}
    assert len({move.request.name for move in plan.moves}) == 2
    assert [(one.container, one.release) for one in plan.moves[0].services] == [(HELLO, OLD)]
    assert plan.moves[0].records == (record("1"),)


def test_a_plan_says_what_it_does_in_the_order_in_which_it_does_it() -> None:
    assert roll(at_rest("1")).lines() == [
        "firewall deployer-demo.prod is as it should be",
        f"create a droplet from {TARGET} in the place of demo-prod-000001, of its size and region",
        f"move {HELLO} {OLD} from demo-prod-000001 to the new droplet, and prove it there",
        "add A record hello.example.com to the new droplet",
        "remove A record hello.example.com to 192.0.2.1 (demo-prod-000001)",
        "destroy demo-prod-000001 once its last request has ended",
    ]


def test_where_every_droplet_is_from_the_snapshot_there_is_nothing_to_do() -> None:
    plan = roll(at_rest("1", "2"), snapshot=SPEC.snapshot or "")
    assert plan.at_rest
    assert [one.name for one in plan.done] == ["demo-prod-000001", "demo-prod-000002"]


def test_a_plan_that_is_carried_out_leaves_nothing_to_do() -> None:
    world = at_rest("1")
    assert roll(after(world, roll(world).moves[0])).at_rest


def test_a_droplet_that_an_earlier_run_made_is_gone_on_with() -> None:
    world = at_rest("1")
    plan = roll(replace(world, hosts=(*world.hosts, made("a", "1", "hello"))))
    assert [move.new for move in plan.moves] == ["demo-prod-00000a"]
    assert [one.served for one in plan.moves[0].services] == [True]
    assert "go on with demo-prod-00000a in the place of demo-prod-000001" in plan.lines()


def test_a_droplet_that_is_empty_by_now_is_only_destroyed() -> None:
    plan = roll(World((host("1"), made("a", "1", "hello")), (), (FIREWALL,), edge=at_rest().edge))
    assert plan.moves[0].services == ()
    assert plan.lines()[-1] == "destroy demo-prod-000001 once its last request has ended"


def test_an_empty_droplet_that_nobody_has_taken_the_place_of_is_left_alone() -> None:
    plan = roll(World((host("1"),)))
    assert plan.at_rest
    assert plan.left == {"demo-prod-000001": "no service runs on it; `undeploy` with `destroy_empty` removes it"}


def test_a_scheduled_service_that_a_killed_run_took_off_is_not_forgotten() -> None:
    plan = roll(World((host("1"), made("a", "1", "nightly", role="candidate"))))
    assert [(one.service.name, one.served) for one in plan.moves[0].services] == [("nightly", False)]


def test_tcp_services_come_first_and_only_what_may_not_run_twice_stops_or_leaves_before() -> None:
    world = World((host("1", *(container(name) for name in KINDS)),))
    moving = roll(world).moves[0].services
    assert [one.service.name for one in moving] == ["cache", "hello", "nightly", "ticker"]
    assert [one.service.name for one in moving if one.stops_first] == ["ticker"]
    assert [one.service.name for one in moving if one.leaves_first] == ["nightly"]


@pytest.mark.parametrize(
    ("inventory", "why"),
    [
        (Inventory(volumes=("9fe5e6_demo_prod_hello_data",)), "it holds the volumes 9fe5e6_demo_prod_hello_data"),
        (Inventory(strangers=("postgres",)), "containers are there that were not made here: postgres"),
        (None, "its agent cannot say what else is there"),
    ],
)
def test_what_would_be_lost_with_a_droplet_refuses_the_roll_unless_it_may_stay(
    inventory: Inventory | None, why: str
) -> None:
    world = at_rest("1", "2", "3")
    hosts = tuple(replace(one, inventory=inventory) if index < 2 else one for index, one in enumerate(world.hosts))
    with pytest.raises(InvalidInput, match="2 droplets cannot be replaced") as caught:
        roll(replace(world, hosts=hosts))
    assert str(caught.value).count(why) == 2
    plan = roll(replace(world, hosts=hosts), leave_pinned=True)
    assert [move.old.name for move in plan.moves] == ["demo-prod-000003"]
    assert plan.left == {"demo-prod-000001": why, "demo-prod-000002": why}


def test_evidence_of_a_first_deploy_that_failed_is_not_thrown_away() -> None:
    with pytest.raises(InvalidInput, match="there are only containers that do not serve"):
        roll(World((host("1", container(), container("shop", role="candidate")),)))


def test_services_that_would_not_fit_on_one_droplet_refuse_the_roll() -> None:
    world = at_rest("1")
    small = replace(world.hosts[0], droplet=replace(world.hosts[0].droplet, memory_mib=300))
    with pytest.raises(InvalidInput, match="may use 64 MiB, more than a new one has free"):
        roll(replace(world, hosts=(small,)))


def test_a_service_without_a_block_refuses_the_roll() -> None:
    with pytest.raises(InvalidInput, match="9fe5e6_demo_prod_shop, of which there is no Service block"):
        roll(World((host("1", container("shop")),)))


def test_a_service_that_is_filled_in_otherwise_than_it_runs_refuses_the_roll() -> None:
    with pytest.raises(InvalidInput, match="Deploy these services first"):
        roll(at_rest("1"), changed={HELLO: "the block says something else"})
    assert roll(at_rest("1"), snapshot=SPEC.snapshot or "", changed={HELLO: "something else"}).at_rest


def test_a_droplet_that_does_not_answer_stops_the_roll_before_it_begins() -> None:
    world = at_rest("1", "2")
    silent = replace(world.hosts[0], error="no answer")
    with pytest.raises(TransientError, match="demo-prod-000001"):
        roll(replace(world, hosts=(silent, world.hosts[1])))


def test_the_digest_is_that_of_what_moves_and_not_of_new_names() -> None:
    world = at_rest("1", "2")
    spec = replace(SPEC, snapshot=TARGET)
    digests = {plan_roll(world, Wanted(OWNER, spec, seed, SERVICES, {})).digest for seed in (SEED, "ba9876543210")}
    assert len(digests) == 1
    assert roll(at_rest("1")).digest not in digests
