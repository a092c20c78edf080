"""Changes of a service under every history and every crash: the last good release serves until another is proven."""

from __future__ import annotations

from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.server import containers
from tests.fakes.router import Killed
from tests.unit.agent.builders import NAME, release
from tests.unit.agent.histories import Change, Scene
from tests.unit.agent.lives import (
    HOW_FAR,
    QUICK,
    THOROUGH,
    cut,
    deployed,
    lived,
    shaped,
)


@QUICK
@given(st.data())
def test_whatever_is_asked_the_routed_container_serves_and_no_role_is_held_twice(data: st.DataObject) -> None:
    with closing(Scene(shaped(data))) as scene:
        lived(data, scene, longest=8)
        assert scene.broken == []


@QUICK
@given(st.data())
def test_whatever_is_asked_a_second_time_changes_nothing(data: st.DataObject) -> None:
    with closing(Scene(shaped(data))) as scene:
        lived(data, scene)
        change = data.draw(st.sampled_from([one for one in scene.sensible() if one.verb != "restart"]))
        first = scene.run(change)
        state = scene.state
        second = scene.run(change)
        assert scene.state == state
        assert second in {"same", "not_found"} if first == "changed" else second == first


@THOROUGH
@given(st.data())
def test_after_a_kill_anywhere_the_repeated_call_ends_as_if_nothing_had_happened(data: st.DataObject) -> None:
    kinds = shaped(data)
    with closing(Scene(kinds)) as scene, closing(Scene(kinds)) as twin:
        lived(data, scene, twin)
        roles, serving, _ = scene.state
        went = serving is not None or ("current" in roles and roles["current"][1] == "running")
        change = cut(data, scene, twin)
        if data.draw(st.booleans(), label="reconciled"):
            containers.reconcile(scene.engine, scene.router)
        scene.settle()
        assert "current" in scene.roles or scene.roles.keys() <= {"candidate"}
        if went and change.verb not in {"stop", "remove", "remove_candidate"} and "scheduled" not in kinds:
            assert scene.alive
        scene.run(change)
        assert scene.broken == []
        assert scene.serving == twin.serving
        if went:  # of a service that was stopped nothing says which of two containers was current
            assert scene.state == twin.state


@THOROUGH
@given(st.data())
def test_after_a_kill_anywhere_another_call_is_as_safe_as_ever(data: st.DataObject) -> None:
    kinds = shaped(data)
    with closing(Scene(kinds)) as scene, closing(Scene(kinds)) as twin:
        lived(data, scene, twin)
        cut(data, scene, twin)
        for _ in range(data.draw(st.integers(1, 4))):
            scene.run(data.draw(st.sampled_from(scene.sensible()), label="asked"))
        assert scene.broken == []


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("at", range(1, HOW_FAR))
def test_a_promotion_that_was_killed_at_any_call_leaves_one_of_both_releases_serving(
    scene: Scene, at: int, done: bool
) -> None:
    deployed(scene, 1, 2)
    scene.run(Change("prepare", 4))
    scene.run_and_die(Change("promote", 4), at, done=done)
    assert scene.serving in {release(2), release(4)}
    assert scene.run(Change("promote", 4)) in {"changed", "same"}
    assert (scene.serving, scene.roles) == (
        release(4),
        {"current": release(4), "previous": release(2), f"kept-{release(1)}": release(1)},
    )
    assert scene.broken == []


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("at", range(1, HOW_FAR))
def test_a_rollback_that_was_killed_at_any_call_leaves_one_of_both_releases_serving(
    scene: Scene, at: int, done: bool
) -> None:
    deployed(scene, 1, 2)
    scene.run(Change("retire"))
    scene.run_and_die(Change("rollback", 1), at, done=done)
    assert scene.serving in {release(1), release(2)}
    assert scene.run(Change("rollback", 1)) in {"changed", "same"}
    assert (scene.serving, scene.roles) == (release(1), {"current": release(1), "previous": release(2)})
    assert scene.broken == []


@pytest.mark.parametrize("next_call", ["retire", "prepare", "stop", "remove"])
def test_the_container_that_serves_survives_whatever_follows_a_promotion_that_was_cut_off(
    scene: Scene, next_call: str
) -> None:
    deployed(scene, 1)
    scene.run(Change("prepare", 2))
    scene.crashes.before("router.update")
    with pytest.raises(Killed):
        scene.run(Change("promote", 2))
    assert scene.serving == release(1)
    scene.run(Change(next_call, 4))
    scene.run(Change("promote", 4))
    assert scene.broken == []


def test_a_promotion_that_was_cut_off_is_undone_if_the_new_release_is_dead_by_then(scene: Scene) -> None:
    deployed(scene, 1)
    scene.run(Change("prepare", 2))
    scene.crashes.before("router.update")
    with pytest.raises(Killed):
        scene.run(Change("promote", 2))
    scene.engine.exit(NAME)
    scene.settle()
    assert (scene.serving, scene.roles) == (release(1), {"current": release(1), "candidate": release(2)})
    assert scene.broken == []


def test_a_candidate_that_was_left_running_gives_way_when_the_release_that_serves_is_wanted_again(scene: Scene) -> None:
    deployed(scene, 1)
    scene.run(Change("prepare", 2))
    assert [scene.run(Change("prepare", 1)) for _ in range(2)] == ["changed", "same"]
    assert (scene.serving, scene.roles) == (release(1), {"current": release(1)})
    assert scene.broken == []


def test_a_candidate_that_failed_stays_as_evidence_when_the_release_that_serves_is_wanted_again(scene: Scene) -> None:
    deployed(scene, 1)
    scene.run(Change("prepare", 3))
    assert scene.run(Change("prepare", 1)) == "same"
    assert scene.roles == {"current": release(1), "candidate": release(3)}


def test_a_release_that_never_starts_changes_nothing_that_serves(scene: Scene) -> None:
    deployed(scene, 1)
    assert scene.run(Change("prepare", 3)) == "not_healthy"
    assert scene.run(Change("promote", 3)) == "not_healthy"
    assert (scene.serving, scene.roles) == (release(1), {"current": release(1), "candidate": release(3)})


def test_the_agents_start_gives_a_droplet_that_rebooted_its_routes_and_its_containers_back(scene: Scene) -> None:
    deployed(scene, 1)
    scene.crashes.watch = lambda: None
    scene.router.table = type(scene.router.table)(routes=())
    assert containers.reconcile(scene.engine, scene.router) == 1
    assert scene.serving == release(1)


def test_the_agents_start_leaves_a_service_that_was_stopped_on_purpose_alone(scene: Scene) -> None:
    deployed(scene, 1)
    scene.run(Change("stop"))
    before = scene.state
    assert containers.reconcile(scene.engine, scene.router) == 0
    assert scene.state == before
