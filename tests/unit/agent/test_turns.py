"""Services of which no two containers may run, and those that nobody visits."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import closing

import pytest

from agent.server import containers
from tests.fakes.router import Killed
from tests.unit.agent.builders import NAME, release
from tests.unit.agent.histories import Change, Scene
from tests.unit.agent.lives import (
    HOW_FAR,
    deployed,
    kept,
    running,
)

STOPS_FIRST = ["web with a volume", "tcp", "exclusive worker"]


@pytest.fixture(params=STOPS_FIRST)
def exclusive(request: pytest.FixtureRequest) -> Iterator[Scene]:
    """A service of which no two containers may run at the same time; the third release never starts."""
    made = Scene((request.param,))
    yield made
    made.close()


def test_where_two_may_not_run_a_candidate_is_only_made_and_takes_over_in_its_promotion(exclusive: Scene) -> None:
    deployed(exclusive, 1)
    assert exclusive.run(Change("prepare", 2)) == "changed"
    assert running(exclusive) == {"current": release(1)}
    assert exclusive.run(Change("prepare", 2)) == "same"
    assert exclusive.run(Change("promote", 2)) == "changed"
    assert running(exclusive) == {"current": release(2)}
    assert exclusive.roles == {"current": release(2), "previous": release(1)}
    assert exclusive.broken == []


def test_where_two_may_not_run_a_candidate_that_fails_gives_the_old_one_its_place_back(exclusive: Scene) -> None:
    deployed(exclusive, 1)
    serving = exclusive.serving
    exclusive.run(Change("prepare", 3))
    assert exclusive.run(Change("promote", 3)) == "not_healthy"
    assert (running(exclusive), exclusive.serving) == ({"current": release(1)}, serving)
    assert exclusive.roles == {"current": release(1), "candidate": release(3)}
    assert exclusive.broken == []


def test_where_two_may_not_run_a_rollback_that_fails_leaves_both_as_they_were(exclusive: Scene) -> None:
    deployed(exclusive, 1, 2)
    serving = exclusive.serving
    exclusive.engine.unstartable.add(release(1))
    assert exclusive.run(Change("rollback", 1)) == "not_healthy"
    assert (running(exclusive), exclusive.serving) == ({"current": release(2)}, serving)
    assert exclusive.roles == {"current": release(2), "previous": release(1)}
    assert exclusive.broken == []


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("at", range(1, 2 * HOW_FAR))
@pytest.mark.parametrize("target", [2, 4])
def test_where_two_may_not_run_a_kill_while_going_back_to_a_kept_release_leaves_one_that_runs(
    exclusive: Scene, target: int, at: int, done: bool
) -> None:
    deployed(exclusive, 1, 2, 4, 5)
    exclusive.run_and_die(Change("rollback", target), at, done=done)
    containers.reconcile(exclusive.engine, exclusive.router)
    assert list(running(exclusive)) == ["current"]
    assert exclusive.run(Change("rollback", target)) in {"changed", "same"}
    assert running(exclusive) == {"current": release(target)}
    others = [one for one in (1, 2, 4) if one != target]
    assert exclusive.roles == {"current": release(target), "previous": release(5), **kept(*others)}
    assert exclusive.broken == []


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("at", range(1, 2 * HOW_FAR))
@pytest.mark.parametrize("verb", ["promote", "rollback"])
def test_where_two_may_not_run_a_kill_at_any_call_leaves_one_that_runs(
    exclusive: Scene, verb: str, at: int, done: bool
) -> None:
    deployed(exclusive, 2, 1) if verb == "rollback" else deployed(exclusive, 1)
    exclusive.run(Change("prepare", 2)) if verb == "promote" else None
    exclusive.run_and_die(Change(verb, 2), at, done=done)
    containers.reconcile(exclusive.engine, exclusive.router)
    assert list(running(exclusive)) == ["current"]
    assert exclusive.run(Change(verb, 2)) in {"changed", "same"}
    assert running(exclusive) == {"current": release(2)}
    assert exclusive.roles == {"current": release(2), "previous": release(1)}
    assert exclusive.broken == []


@pytest.mark.parametrize("again", range(1, HOW_FAR))
@pytest.mark.parametrize("at", ["engine.stop", "engine.start", "router.update"])
def test_where_two_may_not_run_a_second_kill_while_the_first_is_put_right_leaves_one_that_runs(
    exclusive: Scene, at: str, again: int
) -> None:
    deployed(exclusive, 1)
    exclusive.run(Change("prepare", 2))
    exclusive.crashes.after(at)
    with contextlib.suppress(Killed):
        exclusive.run(Change("promote", 2))
    exclusive.crashes.disarm()
    exclusive.crashes.at(again, done=True)
    with contextlib.suppress(Killed):
        containers.reconcile(exclusive.engine, exclusive.router)
    exclusive.crashes.disarm()
    containers.reconcile(exclusive.engine, exclusive.router)
    assert list(running(exclusive)) == ["current"]
    assert exclusive.broken == []


def test_where_two_may_not_run_a_service_that_was_stopped_on_purpose_stays_stopped_beside_a_candidate(
    exclusive: Scene,
) -> None:
    deployed(exclusive, 1)
    exclusive.run(Change("stop"))
    exclusive.run(Change("prepare", 2))
    containers.reconcile(exclusive.engine, exclusive.router)
    assert running(exclusive) == {}
    assert exclusive.run(Change("prepare", 3)) == "changed"
    assert exclusive.run(Change("promote", 3)) == "not_healthy"
    assert running(exclusive) == {}


@pytest.fixture
def job() -> Iterator[Scene]:
    """A scheduled service; only cron, or somebody by hand, starts it."""
    made = Scene(("scheduled",))
    yield made
    made.close()


def test_a_scheduled_release_is_made_and_takes_over_without_being_started(job: Scene) -> None:
    deployed(job, 1, 3)
    assert job.roles == {"current": release(3), "previous": release(1)}
    assert job.run(Change("promote", 3)) == "same"
    assert job.alive == ()


def test_a_scheduled_release_does_not_take_over_while_a_run_is_going_on(job: Scene) -> None:
    deployed(job, 1)
    job.run(Change("prepare", 2))
    job.engine.start(NAME)
    assert job.run(Change("promote", 2)) == "busy"
    assert job.roles == {"current": release(1), "candidate": release(2)}
    assert job.alive == (release(1),)
    job.engine.exit(NAME, 0)
    assert job.run(Change("promote", 2)) == "changed"


def test_a_run_is_started_by_hand_ended_by_a_stop_and_never_repeated_by_a_restart(job: Scene) -> None:
    deployed(job, 1)
    assert [job.run(Change("start")) for _ in range(2)] == ["changed", "same"]
    assert running(job) == {"current": release(1)}
    assert [job.run(Change("restart")) for _ in range(2)] == ["changed", "same"]
    assert running(job) == {}
    job.run(Change("start"))
    assert [job.run(Change("stop")) for _ in range(2)] == ["changed", "same"]
    assert running(job) == {}


@pytest.mark.parametrize("kind", ["tcp", "worker", "exclusive worker", "scheduled"])
def test_a_service_without_a_host_needs_no_nginx(kind: str) -> None:
    with closing(Scene((kind,))) as scene:
        scene.router.down = True
        deployed(scene, 1, 2)
        assert [scene.run(Change(verb, 1)) for verb in ("rollback", "remove")] == ["changed", "changed"]
        assert scene.engine.instances() == ()


def test_a_worker_that_may_run_beside_its_successor_does_until_it_is_retired() -> None:
    with closing(Scene(("worker",))) as scene:
        deployed(scene, 1, 2)
        assert running(scene) == {"current": release(2), "previous": release(1)}
        scene.run(Change("retire"))
        assert running(scene) == {"current": release(2)}
