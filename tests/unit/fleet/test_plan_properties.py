"""What every plan keeps, in whatever world."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fleet import naming
from fleet.errors import TransientError
from fleet.placement import SYSTEM_MIB
from fleet.spec import ServiceSpec
from fleet.state import Host, World
from tests.unit.fleet.worlds import (
    DOMAIN,
    HELLO,
    NEW,
    OWNER,
    SNAPSHOT,
    SPEC,
    after_deploy,
    deploy,
    routed,
    services,
    worlds,
)

pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")
"""Prefect's threads, when another test has started them, use it while Hypothesis draws."""


def has_it(host: Host) -> bool:
    """Whether a container of the service is there, of whatever role."""
    return bool(host.all_of(HELLO))


def has_data(host: Host) -> bool:
    """Whether a volume of the service is there."""
    return host.inventory is not None and bool(host.inventory.volumes)


def fits(host: Host, service: ServiceSpec) -> bool:
    """Whether a new container of the service may be placed there."""
    machine = host.droplet
    used = sum(seen.memory_mib for seen in host.containers if seen.role == "current")
    like_new = machine.image == SNAPSHOT and machine.region == SPEC.region and machine.status == "active"
    return like_new and machine.memory_mib - SYSTEM_MIB - used >= service.memory_mib


@given(worlds(), services)
def test_a_deploy_never_touches_a_record_of_somebody_else(world: World, service: ServiceSpec) -> None:
    plan = deploy(world, service)
    kept = {one.public_address for one in plan.keep}
    for one in (*plan.records.drop, *plan.records.stale, *plan.records.left, *plan.records.keep):
        assert naming.is_ours(one.comment, OWNER, SPEC, "hello")
    for one in (*plan.records.drop, *plan.records.stale, *plan.records.left):
        assert one.content not in kept or one.name != DOMAIN


@given(worlds(), services)
def test_every_record_of_the_service_has_its_place_in_the_plan(world: World, service: ServiceSpec) -> None:
    records = deploy(world, service).records
    told = [*records.keep, *records.drop, *records.stale, *records.left]
    added = {(one.name, one.address) for one in records.add}
    mine = [one for one in world.records if naming.is_ours(one.comment, OWNER, SPEC, "hello")]
    assert len({one.id for one in told}) == len(told)
    assert all((one in told) is not ((one.name, one.content) in added and one.type == "A") for one in mine)


@given(worlds(), services)
def test_a_deploy_keeps_the_service_where_it_is_unless_fewer_are_asked_for(world: World, service: ServiceSpec) -> None:
    plan = deploy(world, service)
    there = {host.droplet for host in world.hosts if has_it(host)}
    assert there == {*plan.drain, *there.intersection(plan.keep)}
    assert not plan.drain or len(plan.keep) >= service.replicas
    assert not (plan.drain and plan.create)


@given(worlds(), services)
def test_no_droplet_with_data_of_the_service_is_left_and_none_with_anything_is_destroyed(
    world: World, service: ServiceSpec
) -> None:
    plan = deploy(world, service, remove_empty=True)
    by_name = {host.droplet.name: host for host in world.hosts}
    assert not any(has_data(by_name[one.name]) for one in plan.drain)
    assert set(plan.destroy) <= set(plan.drain)
    for one in plan.destroy:
        host = by_name[one.name]
        assert all(seen.name == HELLO for seen in host.containers)
        assert host.inventory is not None
        assert not host.inventory.strangers


@given(worlds(), services)
def test_those_that_are_left_carry_at_least_what_those_that_stay_carry(world: World, service: ServiceSpec) -> None:
    plan = deploy(world, service)
    load = {
        host.droplet.name: (
            host.find(HELLO) is None,
            sum(one.memory_mib for one in host.containers if one.role == "current"),
        )
        for host in world.hosts
    }
    stay = [load[host.droplet.name] for host in world.hosts if host.droplet in plan.keep and not has_data(host)]
    assert not (plan.drain and stay) or max(stay) <= min(load[one.name] for one in plan.drain)


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
    pinned = sum(has_it(host) and has_data(host) for host in world.hosts)
    assert len(plan.keep) + len(plan.create) == max(pinned, service.replicas)
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


@given(worlds(), services, st.integers())
def test_the_same_world_gives_the_same_plan_in_whatever_order_it_was_seen(
    world: World, service: ServiceSpec, seed: int
) -> None:
    hosts = list(world.hosts)
    Random(seed).shuffle(hosts)  # noqa: S311  # an order, not a secret
    plan, other = deploy(world, service), deploy(replace(world, hosts=tuple(hosts)), service)
    assert (plan.lines(), plan.digest, plan.basis) == (other.lines(), other.digest, other.basis)
    assert (plan.keep, plan.drain, plan.at_rest) == (other.keep, other.drain, other.at_rest)


@given(worlds(), worlds(), services)
def test_the_digest_changes_exactly_when_the_lines_do(one: World, other: World, service: ServiceSpec) -> None:
    first, second = deploy(one, service), deploy(other, service)
    assert (first.digest == second.digest) is (first.lines() == second.lines())


@given(worlds(), services)
def test_once_carried_out_a_deploy_finds_nothing_more_to_do(world: World, service: ServiceSpec) -> None:
    plan = deploy(world, service)
    after = after_deploy(world, plan, service)
    again = deploy(after, service, "another seed")
    assert again.is_done(NEW)
    assert (again.create, again.drain, again.records.changes) == ((), (), False)
    assert {one.name for one in again.keep} == {one.name for one in plan.keep} | {new.name for new in plan.create}


@given(worlds(), services)
def test_a_plan_is_never_done_while_a_release_is_missing_or_mixed(world: World, service: ServiceSpec) -> None:
    plan = deploy(world, service)
    whole = replace(world, hosts=tuple(routed(host) for host in world.hosts))
    releases = {seen.release for host in whole.hosts if (seen := host.find(HELLO))}
    for release in releases:
        if plan.is_done(release):
            assert releases == {release}
            assert len(plan.current) == len(plan.keep) >= service.replicas
