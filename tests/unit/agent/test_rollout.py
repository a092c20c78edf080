"""Changes of a service under every history and every crash: the last good release serves until another is proven."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import wire
from agent.server import containers, keeping, rollout
from agent.server.slots import Service
from tests.fakes.router import Killed
from tests.unit.agent.builders import NAME, OTHER, release, spec
from tests.unit.agent.histories import EFFECTS, PAGE, Change, Scene, Shapes

QUICK = settings(max_examples=40, deadline=None)
THOROUGH = settings(max_examples=80, deadline=None)
HOW_FAR = 16
"""More calls than a promotion or a rollback makes."""
ONE = (Change("prepare", 1), Change("promote", 1))
TWO = (*ONE, Change("prepare", 2), Change("promote", 2))
SHAPES: list[Shapes] = [
    ("web",),
    ("web with a volume",),
    ("tcp",),
    ("worker",),
    ("exclusive worker",),
    ("scheduled",),
    ("worker", "exclusive worker"),
    ("web", "web with a volume"),
    ("web", "tcp", "worker"),
    ("scheduled", "worker"),
]
FOUR = (*TWO, Change("prepare", 4), Change("promote", 4), Change("prepare", 5), Change("promote", 5))
KEPT = (*FOUR, Change("retire"))
PASTS = [
    (),
    ONE,
    (*ONE, Change("prepare", 4)),
    TWO,
    (*TWO, Change("prepare", 4)),
    (*TWO, Change("retire")),
    FOUR,
    KEPT,
    (*KEPT, Change("rollback", 2)),
    (*KEPT, Change("rollback", 2), Change("retire"), Change("prepare", 6)),
]


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.close()


def deployed(scene: Scene, *numbers: int) -> None:
    for number in numbers:
        assert [scene.run(Change(verb, number)) for verb in ("prepare", "promote")] == ["changed", "changed"]


def shaped(draw: st.DataObject) -> Shapes:
    """Half of all services are what most services are."""
    return draw.draw(st.sampled_from([SHAPES[0]] * len(SHAPES) + SHAPES), label="kinds")


def lived(draw: st.DataObject, *scenes: Scene, longest: int = 4) -> None:
    """A past, then anything a controller might ask; the same in all scenes."""
    asked = list(draw.draw(st.sampled_from(PASTS), label="past"))
    for change in asked:
        for scene in scenes:
            scene.run(change)
    for _ in range(draw.draw(st.integers(0, longest))):
        change = draw.draw(st.sampled_from(scenes[0].sensible()), label="asked")
        for scene in scenes:
            scene.run(change)


def cut(draw: st.DataObject, scene: Scene, twin: Scene) -> Change:
    """A change that the scene's agent dies in, just before or after an effect; in the twin it comes to its end."""
    moving = draw.draw(st.integers(0, 3)) and scene.moving()
    change = draw.draw(st.sampled_from(moving or scene.sensible()), label="cut off")
    before = len(twin.crashes.calls)
    twin.run(change)
    calls = enumerate(twin.crashes.calls[before:], 1)
    effects = [number for number, call in calls if call in EFFECTS or call == "router.update"]
    at = draw.draw(st.sampled_from(effects or [1]), label="at call")
    scene.run_and_die(change, at, done=draw.draw(st.booleans(), label="done"))
    return change


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


def kept(*numbers: int) -> dict[str, str]:
    """These releases in the role `kept`."""
    return {f"kept-{release(number)}": release(number) for number in numbers}


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


STOPS_FIRST = ["web with a volume", "tcp", "exclusive worker"]


@pytest.fixture(params=STOPS_FIRST)
def exclusive(request: pytest.FixtureRequest) -> Iterator[Scene]:
    """A service of which no two containers may run at the same time; the third release never starts."""
    made = Scene((request.param,))
    yield made
    made.close()


def running(scene: Scene) -> dict[str, str]:
    return {one.role: one.release for one in scene.engine.instances() if one.running}


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
