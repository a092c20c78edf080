"""From the world as it is to the world as it should be, in examples with their whole result."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleet import naming
from fleet.errors import InvalidInput, TransientError
from fleet.plan import DeployPlan, plan_deploy
from fleet.removal import plan_undeploy
from fleet.spec import Web
from fleet.state import DropletRequest, Host, World
from tests.unit.fleet.worlds import (
    DOMAIN,
    NEW,
    OLD,
    OWNER,
    SEED,
    SNAPSHOT,
    SPEC,
    container,
    droplet,
    foreign,
    record,
    service,
)

HELLO = "9fe5e6_demo_prod_hello"
TWO = World((Host(droplet("1"), (container(),)), Host(droplet("2"), (container(),))), (record("1"), record("2")))


def deploy(world: World, replicas: int = 1, memory_mib: int = 256) -> DeployPlan:
    """The plan for the service `hello`."""
    return plan_deploy(world, OWNER, SPEC, service(replicas, memory_mib), SEED)


def test_in_an_empty_environment_every_droplet_is_made() -> None:
    plan = deploy(World(()), replicas=2)
    assert plan.lines() == [
        "create droplet demo-prod-fddaa8 (s-1vcpu-1gb in fra1, from 9001)",
        "create droplet demo-prod-13de6f (s-1vcpu-1gb in fra1, from 9001)",
    ]
    assert plan.create[0] == DropletRequest(
        name="demo-prod-fddaa8",
        region="fra1",
        size="s-1vcpu-1gb",
        image=SNAPSHOT,
        tags=frozenset({"deployer", "deployer:demo:prod"}),
        intent="0123456789ab-0",
    )
    assert plan.container == HELLO


def test_another_seed_makes_droplets_of_other_names() -> None:
    names = {new.name for seed in ("a", "b") for new in plan_deploy(World(()), OWNER, SPEC, service(2), seed).create}
    assert len(names) == 4


def test_a_service_stays_where_it_is() -> None:
    plan = deploy(TWO, replicas=2)
    assert plan.lines() == [
        f"use droplet demo-prod-000001 (serves release {OLD})",
        f"use droplet demo-prod-000002 (serves release {OLD})",
    ]
    assert plan.current == {"demo-prod-000001": OLD, "demo-prod-000002": OLD}


def test_a_service_on_more_droplets_than_asked_for_stays_on_all_of_them() -> None:
    assert deploy(TWO, replicas=1) == deploy(TWO, replicas=2)


def test_a_service_stays_on_a_droplet_that_would_not_be_chosen_today() -> None:
    crowded = replace(droplet("1", image="9002", memory_mib=512), status="off")
    plan = deploy(World((Host(crowded, (container(),)),)), memory_mib=4096)
    assert plan.lines() == [f"use droplet demo-prod-000001 (serves release {OLD})"]


def test_a_droplet_that_has_only_a_candidate_is_where_the_service_is() -> None:
    plan = deploy(World((Host(droplet("1"), (container(role="candidate"),)), Host(droplet("2")))))
    assert plan.lines() == ["use droplet demo-prod-000001 (does not serve it yet)"]
    assert plan.current == {}


def test_the_least_loaded_droplet_comes_next_and_then_the_first_by_name() -> None:
    world = World(
        (
            Host(droplet("1"), (container("shop", memory_mib=512),)),
            Host(droplet("3"), (container("redis", memory_mib=64),)),
            Host(droplet("2"), (container("redis", memory_mib=64),)),
        )
    )
    assert deploy(world).lines() == ["use droplet demo-prod-000002 (does not serve it yet)"]
    assert [one.name[-1] for one in deploy(world, replicas=2).keep] == ["2", "3"]


@pytest.mark.parametrize(
    "unfit",
    [
        Host(droplet("1", image="9002")),
        Host(droplet("1", region="nyc3")),
        Host(droplet("1", memory_mib=511)),
        Host(replace(droplet("1"), status="off")),
        Host(replace(droplet("1"), status="new")),
        Host(droplet("1"), (container("shop", memory_mib=513),)),
    ],
)
def test_a_droplet_that_does_not_fit_is_passed_over(unfit: Host) -> None:
    assert deploy(World((unfit,))).lines() == ["create droplet demo-prod-fddaa8 (s-1vcpu-1gb in fra1, from 9001)"]


def test_a_droplet_with_just_enough_room_is_used() -> None:
    assert deploy(World((Host(droplet("1", memory_mib=512)),))).create == ()


def test_memory_of_candidates_and_previous_releases_is_not_counted() -> None:
    kept = Host(droplet("1"), (container("shop", "previous", memory_mib=512), container("shop", memory_mib=512)))
    assert deploy(World((kept,))).create == ()


def test_records_out_of_use_are_removed_and_others_stay() -> None:
    leftovers = (record("9"), record("1", name="old.example.com"), record("1"), record("9", "shop", "shop.example.com"))
    world = World((Host(droplet("1"), (container(),)),), (*leftovers, foreign("www.example.com")))
    assert deploy(world).lines() == [
        f"use droplet demo-prod-000001 (serves release {OLD})",
        "remove A record hello.example.com to 192.0.2.9: it is out of use",
        "remove A record old.example.com to 192.0.2.1: it is out of use",
    ]


def test_a_droplet_that_cannot_be_seen_stops_the_plan() -> None:
    silent = Host(droplet("2"), error="the agent did not answer: timed out")
    with pytest.raises(TransientError) as caught:
        deploy(World((Host(droplet("1"), (container(),)), silent)))
    assert str(caught.value) == (
        "These droplets cannot be seen, so nothing has been changed: "
        "demo-prod-000002 (the agent did not answer: timed out). "
        "Bring them back (or destroy them in the control panel), then run this again."
    )


def test_without_a_snapshot_nothing_can_be_made() -> None:
    with pytest.raises(InvalidInput) as caught:
        plan_deploy(TWO, OWNER, replace(SPEC, snapshot=None), service(3), SEED)
    assert str(caught.value) == (
        "hello needs 1 more droplets; demo-prod has no snapshot for them. "
        "Run build-snapshot, then choose the snapshot in the run form or in the Environment block."
    )


def test_without_a_snapshot_a_service_is_deployed_where_it_is() -> None:
    plan = plan_deploy(TWO, OWNER, replace(SPEC, snapshot=None), service(2), SEED)
    assert (len(plan.keep), plan.create) == (2, ())


@pytest.mark.parametrize("type", ["A", "AAAA", "CNAME", "HTTPS", "SVCB"])
def test_a_domain_with_a_record_of_somebody_else_is_refused(type: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        deploy(replace(TWO, records=(foreign(DOMAIN, "our web server", type),)))
    assert str(caught.value) == (
        f"The zone has a record hello.example.com ({type} 198.51.100.9) that is not this service's. "
        "Delete it in Cloudflare if it is not needed, or give the service another domain."
    )


@pytest.mark.parametrize("type", ["TXT", "MX", "CAA"])
def test_records_that_route_nothing_may_stand_beside_ours(type: str) -> None:
    assert deploy(World((), (foreign(DOMAIN, "", type),))).stale == ()


def test_a_domain_that_another_service_serves_is_refused() -> None:
    taken = replace(container("shop"), hosts=(DOMAIN,))
    with pytest.raises(InvalidInput) as caught:
        deploy(World((Host(droplet("1"), (taken,)),)))
    assert str(caught.value) == (
        "hello.example.com is served by 9fe5e6_demo_prod_shop on demo-prod-000001 already. "
        "Give this service another domain, or undeploy that one first."
    )


def test_names_too_long_for_a_comment_are_refused_before_anything_is_made() -> None:
    long = replace(SPEC, project="a" * 27, name="b" * 27)
    wanted = replace(service(), name="c" * 30, runs=Web(80, (DOMAIN,)))
    with pytest.raises(InvalidInput, match="Shorten them by"):
        plan_deploy(World(()), OWNER, long, wanted, SEED)


def test_a_release_or_a_snapshot_changes_the_digest() -> None:
    switched = replace(TWO, hosts=(Host(droplet("1"), (container(release=NEW),)), TWO.hosts[1]))
    assert deploy(TWO, 2).digest == "f41200f98fab"
    assert deploy(switched, 2).digest != deploy(TWO, 2).digest
    other = plan_deploy(World(()), OWNER, replace(SPEC, snapshot="9002"), service(), SEED)
    assert other.digest != deploy(World(())).digest


def test_an_undeploy_takes_records_first_and_then_containers() -> None:
    plan = plan_undeploy(TWO, OWNER, SPEC, "hello")
    assert plan.lines() == [
        "remove A record hello.example.com to 192.0.2.1",
        "remove A record hello.example.com to 192.0.2.2",
        "remove 9fe5e6_demo_prod_hello from demo-prod-000001",
        "remove 9fe5e6_demo_prod_hello from demo-prod-000002",
    ]


def test_an_undeploy_of_one_droplet_leaves_the_other() -> None:
    assert plan_undeploy(TWO, OWNER, SPEC, "hello", "demo-prod-000002").lines() == [
        "remove A record hello.example.com to 192.0.2.2",
        "remove 9fe5e6_demo_prod_hello from demo-prod-000002",
    ]


def test_an_undeploy_leaves_other_services_and_other_peoples_records() -> None:
    hosts = (Host(droplet("1"), (container("shop"),)), Host(droplet("2"), (container(), container("shop"))))
    others = (foreign(DOMAIN, "a web server"), record("1", "shop", "shop.example.com"))
    assert plan_undeploy(World(hosts, others), OWNER, SPEC, "hello").lines() == [
        "remove 9fe5e6_demo_prod_hello from demo-prod-000002"
    ]


def test_an_undeploy_of_a_droplet_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(InvalidInput) as caught:
        plan_undeploy(TWO, OWNER, SPEC, "hello", "demo-prod-00000x")
    assert str(caught.value) == (
        "demo-prod has no droplet 'demo-prod-00000x'. "
        "Its droplets: demo-prod-000001, demo-prod-000002. Choose one of them."
    )


def test_an_undeploy_of_a_destroyed_droplet_still_removes_its_record() -> None:
    world = replace(TWO, hosts=TWO.hosts[:1])
    assert plan_undeploy(world, OWNER, SPEC, "hello", "demo-prod-000002").lines() == [
        "remove A record hello.example.com to 192.0.2.2"
    ]


def test_an_undeploy_of_one_droplet_does_not_need_to_see_the_other() -> None:
    silent = replace(TWO, hosts=(Host(droplet("1"), error="no answer"), TWO.hosts[1]))
    assert len(plan_undeploy(silent, OWNER, SPEC, "hello", "demo-prod-000002").lines()) == 2
    for wanted in (None, "demo-prod-000001"):
        with pytest.raises(TransientError, match=r"demo-prod-000001 \(no answer\)"):
            plan_undeploy(silent, OWNER, SPEC, "hello", wanted)


def test_where_nothing_is_an_undeploy_has_no_lines() -> None:
    assert plan_undeploy(World((Host(droplet("1")),)), OWNER, SPEC, "hello").lines() == []
    assert naming.container(OWNER, SPEC, "hello") == HELLO
