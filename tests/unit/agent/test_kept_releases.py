"""Older releases on the droplet: how many stay, and the way back to each of them, whatever is cut off."""

from __future__ import annotations

import pytest

from agent import wire
from agent.server import keeping, rollout
from agent.server.slots import Service
from tests.unit.agent.builders import NAME, OTHER, release, spec
from tests.unit.agent.histories import Change, Scene
from tests.unit.agent.lives import (
    HOW_FAR,
    deployed,
    kept,
    running,
)


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("at", range(1, HOW_FAR))
@pytest.mark.parametrize("target", [1, 2, 4])
def test_a_rollback_to_any_kept_release_that_was_killed_at_any_call_ends_well_when_it_is_repeated(
    scene: Scene, target: int, at: int, done: bool
) -> None:
    deployed(scene, 1, 2, 4, 5)
    scene.run(Change("prepare", 6))
    scene.run_and_die(Change("rollback", target), at, done=done)
    assert scene.serving in {release(target), release(5)}
    scene.settle()
    assert scene.roles["current"] == scene.serving
    assert scene.run(Change("rollback", target)) in {"changed", "same"}
    others = [one for one in (1, 2, 4) if one != target]
    assert scene.roles == {"current": release(target), "previous": release(5), **kept(*others)}
    assert scene.serving == release(target)
    assert scene.broken == []


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("at", range(1, 2 * HOW_FAR))
def test_a_change_whose_taking_back_was_killed_at_any_call_is_taken_back_when_that_is_repeated(
    scene: Scene, at: int, done: bool
) -> None:
    deployed(scene, 1, 2, 4, 5)
    back = Change("take back", 4, failed=5)
    scene.run_and_die(back, at, done=done)
    assert scene.serving in {release(4), release(5)}
    assert scene.run(back) in {"changed", "same"}
    assert scene.roles == {"current": release(4), "candidate": release(5), **kept(1, 2)}
    assert (scene.serving, running(scene)["current"]) == (release(4), release(4))
    assert "candidate" not in running(scene)
    assert scene.broken == []


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("at", range(1, HOW_FAR))
def test_a_retirement_that_was_killed_at_any_call_leaves_as_many_as_are_wanted_when_it_is_repeated(
    scene: Scene, at: int, done: bool
) -> None:
    deployed(scene, 1, 2, 4, 5)
    scene.run_and_die(Change("retire"), at, done=done)
    scene.run(Change("retire"))
    assert scene.roles == {"current": release(5), "previous": release(4), **kept(2)}
    assert running(scene) == {"current": release(5)}
    assert {one for _, one in scene.engine.secrets} == {release(2), release(4), release(5)}
    assert scene.run(Change("retire")) == "same"


def test_what_served_last_stays_even_if_it_is_the_oldest_release(scene: Scene) -> None:
    deployed(scene, 1, 2, 4)
    assert scene.run(Change("rollback", 1)) == "changed"
    deployed(scene, 5)
    assert scene.run(Change("retire")) == "changed"
    assert scene.roles == {"current": release(5), "previous": release(1), **kept(4)}


def test_a_promotion_that_nginx_refuses_leaves_the_previous_release_the_previous_one(scene: Scene) -> None:
    deployed(scene, 1, 2)
    scene.run(Change("prepare", 4))
    scene.router.refusing = "shared memory"
    assert scene.run(Change("promote", 4)) == "router"
    assert scene.roles == {"current": release(2), "candidate": release(4), "previous": release(1)}
    assert scene.serving == release(2)


@pytest.mark.parametrize("target", [1, 2, 4])
def test_a_rollback_that_nginx_refuses_leaves_every_older_release_in_its_role(scene: Scene, target: int) -> None:
    deployed(scene, 1, 2, 4, 5)
    scene.router.refusing = "shared memory"
    assert scene.run(Change("rollback", target)) == "router"
    assert scene.roles == {"current": release(5), "previous": release(4), **kept(1, 2)}
    assert scene.serving == release(5)


def test_a_change_that_is_taken_back_gives_the_release_that_was_previous_before_its_role_back(scene: Scene) -> None:
    deployed(scene, 1, 2, 4, 5)
    wanted = wire.Rollback(release=release(4), failed=release(5), previous=release(2))
    service = Service(scene.engine, scene.router, NAME)
    assert [keeping.roll_back(service, wanted) for _ in range(2)] == [True, False]
    assert scene.roles == {"current": release(4), "candidate": release(5), "previous": release(2), **kept(1)}
    wanted = wire.Rollback(release=release(4), previous=release(1))
    assert [keeping.roll_back(service, wanted) for _ in range(2)] == [True, False]
    assert scene.roles == {"current": release(4), "candidate": release(5), "previous": release(1), **kept(2)}


def test_a_release_that_is_kept_is_not_prepared_anew(scene: Scene) -> None:
    deployed(scene, 1, 2, 4)
    for number in (1, 2):
        assert scene.run(Change("prepare", number)) == "conflict"
    assert scene.run(Change("rollback", 5)) == "not_found"


def test_a_release_whose_host_another_service_has_by_now_is_not_gone_back_to(scene: Scene) -> None:
    scene.kinds = ("web", "worker")
    deployed(scene, 2, 1)  # a web service that became a worker
    other = Service(scene.engine, scene.router, OTHER)
    rollout.prepare(other, spec(2, scene.image))
    rollout.promote(other, release(2))
    assert scene.run(Change("rollback", 2)) == "conflict"
    assert {one.name: one.release for one in scene.engine.instances() if one.role == "current"} == {
        NAME: release(1),
        OTHER: release(2),
    }
