"""What every plan keeps, in whatever world."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fleet import naming
from fleet.errors import TransientError
from fleet.plan import SYSTEM_MIB, DeployPlan, plan_deploy
from fleet.removal import plan_undeploy
from fleet.spec import ServiceSpec
from fleet.state import Host, World
from tests.unit.fleet.worlds import DOMAIN, OWNER, SEED, SNAPSHOT, SPEC, after_deploy, after_undeploy, services, worlds

pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")
"""Prefect's threads, when another test has started them, use it while Hypothesis draws."""
HELLO = naming.container(OWNER, SPEC, "hello")


def deploy(world: World, service: ServiceSpec) -> DeployPlan:
    """The plan for the service."""
    return plan_deploy(world, OWNER, SPEC, service, SEED)


def has_it(host: Host) -> bool:
    """Whether a container of the service is there, of whatever role."""
    return any(seen.name == HELLO for seen in host.containers)


def room(host: Host) -> int:
    """Memory that is free on a droplet."""
    used = sum(seen.memory_mib for seen in host.containers if seen.role == "current")
    return host.droplet.memory_mib - SYSTEM_MIB - used


def fits(host: Host, service: ServiceSpec) -> bool:
    """Whether a new container of the service may be placed there."""
    machine = host.droplet
    like_new = machine.image == SNAPSHOT and machine.region == SPEC.region and machine.status == "active"
    return like_new and room(host) >= service.memory_mib


@given(worlds(), services)
def test_a_deploy_never_touches_a_record_of_somebody_else(world: World, service: ServiceSpec) -> None:
    kept = {one.public_address for one in deploy(world, service).keep}
    for one in deploy(world, service).stale:
        assert naming.is_ours(one.comment, OWNER, SPEC, "hello")
        assert one.content not in kept or one.name != DOMAIN


@given(worlds(), services)
def test_a_deploy_keeps_the_service_where_it_is(world: World, service: ServiceSpec) -> None:
    assert {host.droplet for host in world.hosts if has_it(host)} <= set(deploy(world, service).keep)


@given(worlds(), services)
def test_a_deploy_places_only_where_snapshot_region_state_and_room_are_right(
    world: World, service: ServiceSpec
) -> None:
    kept = {one.name for one in deploy(world, service).keep}
    added = [host for host in world.hosts if host.droplet.name in kept and not has_it(host)]
    assert all(fits(host, service) for host in added)


@given(worlds(), services)
def test_a_deploy_makes_no_more_droplets_than_needed(world: World, service: ServiceSpec) -> None:
    plan = deploy(world, service)
    serving = sum(has_it(host) for host in world.hosts)
    assert len(plan.keep) + len(plan.create) == max(serving, service.replicas)
    if plan.create:
        kept = {one.name for one in plan.keep}
        assert not any(fits(host, service) for host in world.hosts if host.droplet.name not in kept)


@given(worlds(), services)
def test_new_droplets_have_names_of_their_own_and_the_environments_tags(world: World, service: ServiceSpec) -> None:
    made = deploy(world, service).create
    assert len({new.name for new in made} | {host.droplet.name for host in world.hosts}) == len(made) + len(world.hosts)
    assert len({new.intent for new in made}) == len(made)
    assert all((new.tags, new.image) == (naming.droplet_tags(SPEC), SNAPSHOT) for new in made)


@given(worlds(), services, st.data())
def test_a_plan_refuses_when_a_droplet_cannot_be_seen(world: World, service: ServiceSpec, data: st.DataObject) -> None:
    assume(world.hosts)
    index = data.draw(st.integers(0, len(world.hosts) - 1))
    silent = replace(world.hosts[index], containers=(), error="no answer")
    unseen = replace(world, hosts=(*world.hosts[:index], silent, *world.hosts[index + 1 :]))
    with pytest.raises(TransientError, match=silent.droplet.name):
        deploy(unseen, service)
    with pytest.raises(TransientError, match=silent.droplet.name):
        plan_undeploy(unseen, OWNER, SPEC, "hello")


@given(worlds(), services, st.integers())
def test_the_same_world_gives_the_same_plan_in_whatever_order_it_was_seen(
    world: World, service: ServiceSpec, seed: int
) -> None:
    hosts = list(world.hosts)
    Random(seed).shuffle(hosts)  # noqa: S311  # an order, not a secret
    plan = deploy(world, service)
    assert deploy(replace(world, hosts=tuple(hosts)), service) == plan
    assert deploy(world, service).digest == plan.digest


@given(worlds(), worlds(), services)
def test_the_digest_changes_exactly_when_the_lines_do(one: World, other: World, service: ServiceSpec) -> None:
    for first, second in (
        (deploy(one, service), deploy(other, service)),
        (plan_undeploy(one, OWNER, SPEC, "hello"), plan_undeploy(other, OWNER, SPEC, "hello")),
    ):
        assert (first.digest == second.digest) is (first.lines() == second.lines())


@given(worlds(), services)
def test_once_carried_out_a_deploy_has_nothing_more_to_make_or_to_remove(world: World, service: ServiceSpec) -> None:
    plan = deploy(world, service)
    after = after_deploy(world, plan, service)
    again = plan_deploy(after, OWNER, SPEC, service, "another seed")
    assert (again.create, again.stale) == ((), ())
    assert {one.name for one in again.keep} == {one.name for one in plan.keep} | {new.name for new in plan.create}


@given(worlds(), st.booleans())
def test_an_undeploy_only_names_records_of_ours_and_droplets_that_have_the_container(world: World, one: bool) -> None:
    wanted = world.hosts[0].droplet.name if one and world.hosts else None
    plan = plan_undeploy(world, OWNER, SPEC, "hello", wanted)
    for record in plan.records:
        assert naming.is_ours(record.comment, OWNER, SPEC, "hello")
        assert wanted in (None, naming.droplet_of(record.comment))
    having = {host.droplet for host in world.hosts if has_it(host) and wanted in (None, host.droplet.name)}
    assert set(plan.droplets) == having


@given(worlds())
def test_once_carried_out_an_undeploy_is_empty_and_nothing_else_is_gone(world: World) -> None:
    after = after_undeploy(world, plan_undeploy(world, OWNER, SPEC, "hello"))
    assert plan_undeploy(after, OWNER, SPEC, "hello").lines() == []
    others = [one for one in world.records if not naming.is_ours(one.comment, OWNER, SPEC, "hello")]
    assert list(after.records) == others
    for before, now in zip(world.hosts, after.hosts, strict=True):
        assert [seen for seen in before.containers if seen.name != HELLO] == list(now.containers)


@given(worlds(), services)
def test_what_was_deployed_can_be_undeployed_without_a_trace(world: World, service: ServiceSpec) -> None:
    deployed = after_deploy(world, deploy(world, service), service)
    gone = after_undeploy(deployed, plan_undeploy(deployed, OWNER, SPEC, "hello"))
    assert not any(has_it(host) for host in gone.hosts)
    assert not any(naming.is_ours(one.comment, OWNER, SPEC, "hello") for one in gone.records)
