"""What every undeploy keeps, in whatever world."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fleet import naming
from fleet.errors import InvalidInput, PermanentError
from fleet.proof import left_behind
from fleet.removal import Scope, UndeployPlan, plan_finish, plan_undeploy
from fleet.state import World
from tests.unit.fleet.leaving import OWNER, SPEC, after, scopes, worlds

pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")
"""Prefect's threads, when another test has started them, use it while Hypothesis draws."""


def plan(world: World, scope: Scope) -> UndeployPlan:
    """The plan; worlds in which it is refused are not looked at."""
    try:
        return plan_undeploy(world, scope)
    except (InvalidInput, PermanentError):
        assume(False)
        raise


def touched(plan: UndeployPlan) -> set[int]:
    """The droplets that a plan does anything to."""
    found = [one.droplet for one in plan.departures] + [one.droplet for one in plan.pending] + list(plan.destroyed)
    return {one.id for one in [*found, *(one for one, _ in (*plan.prunes, *plan.volumes, *plan.settled))]}


@given(worlds(), scopes)
def test_only_what_carries_our_mark_and_is_meant_goes(world: World, scope: Scope) -> None:
    made = plan(world, scope)
    whose = f"deployer {OWNER} demo/prod/{f'{scope.service} ' if scope.service else ''}"
    assert all(one.comment.startswith(whose) for one in made.records)
    assert all(naming.read_container(one.container).owner == OWNER for one in made.departures)
    assert {naming.service_of(one.container) for one in made.departures} <= {
        scope.service or naming.service_of(one.container) for one in made.departures
    }
    ours = {host.droplet.id for host in world.hosts if naming.is_our_droplet(host.droplet.tags)}
    assert touched(made) <= ours
    meant = {host.droplet.id for host in world.hosts if scope.droplet in (None, host.droplet.name)}
    assert touched(made) <= meant
    assert made.firewall is None or made.firewall.tags == (naming.environment_tag(SPEC),)
    assert "op:theirs" not in made.tags


@given(worlds(), scopes)
def test_a_droplet_that_is_destroyed_answered_and_nobody_loses_anything(world: World, scope: Scope) -> None:
    made = plan(world, scope)
    assert scope.destroy_empty or not (made.destroyed or made.firewall or made.tags)
    hosts = {host.droplet: host for host in world.hosts}
    for droplet in made.destroyed:
        host = hosts[droplet]
        leaving = {one.container for one in made.departures if one.droplet == droplet}
        assert not host.error
        assert {one.name for one in host.containers} <= leaving
        assert host.inventory is not None
        assert host.inventory.strangers == ()
        assert set(host.inventory.volumes) <= {name for one, name in made.volumes if one == droplet}


@given(worlds(), scopes)
def test_volumes_that_nobody_named_stay(world: World, scope: Scope) -> None:
    assert {name.rpartition("_")[2] for _, name in plan(world, scope).volumes} <= set(scope.volumes)


@given(worlds(), scopes)
def test_the_firewall_goes_with_the_last_droplet_and_not_before(world: World, scope: Scope) -> None:
    made = plan(world, scope)
    if made.firewall or naming.environment_tag(SPEC) in made.tags:
        assert {host.droplet for host in world.hosts} == set(made.destroyed)


@given(worlds(), scopes)
def test_a_silent_droplet_keeps_nothing_from_going_elsewhere(world: World, scope: Scope) -> None:
    made = plan(world, scope)
    silent = {host.droplet for host in world.hosts if host.error and naming.is_our_droplet(host.droplet.tags)}
    meant = {one for one in silent if scope.droplet in (None, one.name)}
    assert {one.droplet for one in made.pending} == meant
    others = replace(world, hosts=tuple(host for host in world.hosts if host.droplet not in silent))
    if not scope.destroy_empty and (not scope.droplet or made.departures):
        alone = plan(others, scope)
        assert (made.records, made.departures, made.volumes) == (alone.records, alone.departures, alone.volumes)


@given(worlds(), scopes)
def test_once_carried_out_nothing_is_left_and_the_rest_is_as_it_was(world: World, scope: Scope) -> None:
    made = plan(world, scope)
    now = after(world, made)
    try:
        left = plan_undeploy(now, scope)
    except InvalidInput:
        assert scope.droplet
        return
    except PermanentError:
        return
    assert left_behind(left) == []
    assert all(one.placed for one in left.pending)
    assert plan_undeploy(after(now, left), scope).lines() == left.lines()
    assert set(now.records) == {one for one in world.records if not scope.takes_record(one)}
    before = {one.droplet.id: one for one in world.hosts}
    for host in now.hosts:
        kept = [one for one in before[host.droplet.id].containers if not scope.takes(one.name)]
        assert [one for one in host.containers if not scope.takes(one.name)] == kept


@given(worlds(), scopes, st.integers())
def test_the_same_world_gives_the_same_lines_in_whatever_order_it_was_seen(
    world: World, scope: Scope, seed: int
) -> None:
    hosts = list(world.hosts)
    Random(seed).shuffle(hosts)  # noqa: S311  # an order, not a secret
    assert sorted(plan(replace(world, hosts=tuple(hosts)), scope).lines()) == sorted(plan(world, scope).lines())


@given(worlds(), worlds(), scopes)
def test_the_digest_changes_exactly_when_the_lines_do(one: World, other: World, scope: Scope) -> None:
    first, second = plan(one, scope), plan(other, scope)
    assert (first.digest == second.digest) is (first.lines() == second.lines())


@given(worlds())
def test_what_is_finished_later_is_only_what_a_tombstone_says_and_never_newer_than_it(world: World) -> None:
    try:
        made = plan_finish(world, OWNER, SPEC)
    except PermanentError:
        return
    assert made.records == ()
    for one in made.departures:
        stones = naming.tombstones(one.droplet.tags).values()
        meant = [stone for stone in stones if stone.service in (None, naming.service_of(one.container))]
        assert any(naming.released_at(one.newest) < stone.since for stone in meant)
    for droplet in made.destroyed:
        assert any(stone.destroy for stone in naming.tombstones(droplet.tags).values())
    hosts = {host.droplet: host for host in world.hosts}
    assert all(hosts[one.droplet].error for one in made.pending)
    assert not any(hosts[droplet].error for droplet in made.destroyed)
    assert touched(made) <= {one.id for one in hosts if naming.is_our_droplet(one.tags)}


@given(worlds(answering=True))
def test_once_all_droplets_answer_a_few_rounds_leave_no_tombstone(world: World) -> None:
    try:
        for _ in range(3):
            world = after(world, plan_finish(world, OWNER, SPEC))
    except PermanentError:
        return
    assert not [tag for host in world.hosts if not host.error for tag in naming.tombstones(host.droplet.tags)]
