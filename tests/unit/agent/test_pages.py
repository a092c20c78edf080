"""A maintenance page stays whatever happens behind it."""

from __future__ import annotations

from contextlib import closing

import pytest

from agent.server import containers, rollout
from agent.server.slots import Service
from tests.unit.agent.builders import NAME, release
from tests.unit.agent.histories import PAGE, Change, Scene
from tests.unit.agent.lives import (
    HOW_FAR,
    deployed,
)


@pytest.mark.parametrize("kind", ["web", "web with a volume"])
def test_the_page_stays_while_releases_come_and_go_behind_it(kind: str) -> None:
    with closing(Scene((kind,))) as scene:
        deployed(scene, 1)
        assert [scene.run(Change("begin")) for _ in range(2)] == ["changed", "same"]
        deployed(scene, 2)
        for verb in ("rollback", "stop", "start", "restart"):
            assert scene.run(Change(verb, 1)) == "changed"
            containers.reconcile(scene.engine, scene.router)
            assert (scene.page, scene.serving) == (PAGE, None)
        assert [scene.run(Change("end")) for _ in range(2)] == ["changed", "same"]
        assert (scene.page, scene.serving) == (None, release(1))
        assert scene.broken == []


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("at", range(1, 2 * HOW_FAR))
@pytest.mark.parametrize("kind", ["web", "web with a volume"])
def test_a_promotion_under_maintenance_that_was_killed_at_any_call_still_shows_the_page(
    kind: str, at: int, done: bool
) -> None:
    with closing(Scene((kind,))) as scene:
        deployed(scene, 1)
        scene.run(Change("begin"))
        scene.run(Change("prepare", 2))
        scene.run_and_die(Change("promote", 2), at, done=done)
        containers.reconcile(scene.engine, scene.router)
        assert scene.page == PAGE
        assert scene.run(Change("promote", 2)) in {"changed", "same"}
        assert (scene.page, scene.roles["current"]) == (PAGE, release(2))
        assert scene.broken == []


def test_a_first_release_that_brings_its_page_along_is_never_seen_without_it(scene: Scene) -> None:
    seen: list[str | None] = []
    scene.run(Change("prepare", 1))
    scene.crashes.watch = lambda: seen.append(scene.serving)
    assert rollout.promote(Service(scene.engine, scene.router, NAME), release(1), PAGE)
    assert (scene.page, scene.roles) == (PAGE, {"current": release(1)})
    assert set(seen) == {None}


def test_a_service_that_was_stopped_during_maintenance_has_no_route_once_it_ends(scene: Scene) -> None:
    deployed(scene, 1)
    scene.run(Change("begin"))
    scene.run(Change("stop"))
    assert scene.page == PAGE
    assert scene.run(Change("end")) == "changed"
    assert scene.router.table.routes == ()


def test_a_removed_service_takes_its_page_with_it(scene: Scene) -> None:
    deployed(scene, 1)
    scene.run(Change("begin"))
    assert scene.run(Change("remove")) == "changed"
    assert scene.router.table.routes == ()
    deployed(scene, 1)
    assert scene.serving == release(1)
