"""The ladder of a service on a droplet."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleet.remediation import limits
from fleet.remediation.decide import decide
from fleet.remediation.observations import Observation, Said
from fleet.remediation.state import Case, Deploy, Pause, ServiceFacts
from tests.unit.fleet.remediation.scenes import (
    BLIND,
    HELLO,
    HUNG,
    OLDER,
    RELEASE,
    START,
    UNSEEN,
    Scene,
    service,
    state,
)

ONE = service(1)
FAILS: dict[int, Said] = {1: "unhealthy"}


@pytest.fixture
def scene() -> Scene:
    """Ten droplets, looked at once while all is well."""
    made = Scene()
    made.look()
    return made


def deployed(scene: Scene, ago: float, last_good: str | None = OLDER) -> None:
    """Has the service's last deploy be so many seconds ago."""
    scene.running = replace(scene.running, deploy=Deploy(RELEASE, scene.at.earlier(ago), last_good))


def test_a_service_is_restarted_once_it_has_failed_three_times_in_a_row(scene: Scene) -> None:
    assert [scene.acts(1, services=FAILS) for _ in range(3)] == [[], [], ["restart"]]


def test_a_success_in_between_begins_the_count_anew(scene: Scene) -> None:
    for word in ("unhealthy", "unhealthy", "healthy", "unhealthy", "unhealthy"):
        assert scene.acts(1, services={1: word}) == []


def test_what_nobody_knows_in_between_neither_counts_nor_begins_anew(scene: Scene) -> None:
    words: list[Said] = ["unhealthy", "unknown", "unhealthy", "unknown", "unhealthy"]
    assert [scene.acts(1, services={1: word}) for word in words] == [[], [], [], [], ["restart"]]


def test_failures_that_were_not_seen_for_long_are_not_in_a_row(scene: Scene) -> None:
    scene.acts(2, services=FAILS)
    scene.acts(3, {1: UNSEEN})
    assert scene.acts(2, services=FAILS) == []


def test_the_ladder_is_two_restarts_a_recreation_and_a_hold_that_is_told_once(scene: Scene) -> None:
    assert scene.acts(55, services=FAILS, word="unhelpful") == ["restart", "restart", "recreate"]
    assert scene.alerts() == [f"{ONE}: held"]
    assert scene.acts(24 * 60, services=FAILS) == []
    assert scene.alerts() == [f"{ONE}: held"]


def test_restarts_by_the_droplets_own_watchdog_are_of_the_same_budget(scene: Scene) -> None:
    scene.running = replace(scene.running, restarts=(scene.at.earlier(30), scene.at.earlier(60)))
    assert scene.acts(3, services=FAILS) == ["recreate"]


def test_the_pause_before_a_restart_grows_and_has_a_share_of_its_own() -> None:
    scene = Scene()
    scene.look(seconds=10)
    at = []
    for number in range(30):
        scene.look(services=FAILS, seconds=2)
        for made in scene.last:
            if made.decision.acts:
                at.append(2.0 * number)
                scene.tell(made, "helped")
    first, second = at[0], at[1] - at[0]
    assert 15 <= first <= 15 * 1.25 + 2
    assert 20 <= second <= 20 * 1.25 + 2


def test_a_fresh_deploy_is_rolled_back_once_restarts_are_spent_and_then_held(scene: Scene) -> None:
    deployed(scene, 5 * 60)
    assert scene.acts(60, services=FAILS, word="unhelpful") == ["restart", "restart", "rollback"]
    decision = next(made.decision for made in scene.made if made.decision.action == "rollback")
    assert decision.release == OLDER
    assert scene.alerts() == [f"{ONE}: held"]


def test_two_droplets_of_a_bad_deploy_ask_for_one_rollback(scene: Scene) -> None:
    deployed(scene, 60)
    done = scene.acts(30, services={1: "unhealthy", 2: "unhealthy"}, word="unhelpful")
    assert done.count("rollback") == 1


@pytest.mark.parametrize("ago", [limits.FRESH_DEPLOY, limits.DAY])
def test_an_old_deploy_is_not_rolled_back(scene: Scene, ago: float) -> None:
    deployed(scene, ago)
    assert "rollback" not in scene.acts(60, services=FAILS)


def test_a_first_deploy_has_nothing_to_go_back_to(scene: Scene) -> None:
    deployed(scene, 60, last_good=None)
    assert scene.acts(60, services=FAILS, word="unhelpful") == ["restart", "restart", "recreate"]


def test_a_service_is_not_recreated_within_ten_minutes_of_a_change(scene: Scene) -> None:
    scene.running = replace(scene.running, changed=scene.at, restarts=(scene.at.earlier(30), scene.at.earlier(60)))
    assert scene.acts(9, services=FAILS) == []
    assert scene.acts(1, services=FAILS) == ["recreate"]


def test_failures_while_it_starts_mean_nothing(scene: Scene) -> None:
    scene.running = replace(scene.running, started=scene.at, grace=200)
    assert scene.acts(5, services=FAILS) == []
    assert scene.acts(1, services=FAILS) == ["restart"]


def test_errors_in_the_log_alone_never_cause_anything(scene: Scene) -> None:
    assert scene.acts(60, services={1: "degraded"}) == []
    assert scene.alerts() == []


def test_a_scheduled_job_that_failed_is_told_and_never_run_again_by_itself(scene: Scene) -> None:
    scene.running = replace(scene.running, kind="scheduled")
    assert scene.acts(60, services=FAILS) == []
    assert scene.alerts() == [f"{ONE}: failing"]


def test_a_service_that_flaps_is_held_and_told_once(scene: Scene) -> None:
    words: list[Said] = ["unhealthy", "healthy"] * 30
    assert [scene.acts(1, services={1: word}) for word in words] == [[]] * 60
    assert scene.acts(5, services=FAILS) == []
    assert scene.alerts() == [f"{ONE}: flapping"]


def test_what_flapped_and_stays_down_is_helped_once_it_has_stopped_flapping(scene: Scene) -> None:
    words: list[Said] = ["unhealthy", "healthy"] * 5
    for word in words:
        scene.acts(1, services={1: word})
    assert scene.acts(28, services=FAILS)[:1] == ["restart"]


def test_a_hold_ends_after_ten_good_minutes(scene: Scene) -> None:
    scene.acts(60, services=FAILS, word="unhelpful")
    assert scene.memory.cases[ONE.key].hold is not None
    scene.acts(10)
    assert scene.memory.cases[ONE.key].hold is not None
    scene.acts(1)
    assert scene.memory.cases[ONE.key].hold is None


def test_a_hold_ends_with_another_release(scene: Scene) -> None:
    scene.acts(60, services=FAILS, word="unhelpful")
    scene.running = replace(scene.running, release=OLDER)
    assert scene.acts(3, services=FAILS) == ["restart"]


@pytest.mark.parametrize("pause", [Pause("everything"), Pause("service", HELLO), Pause("droplet", ONE.name)])
def test_a_pause_holds(scene: Scene, pause: Pause) -> None:
    scene.pauses = (pause,)
    assert scene.acts(30, services=FAILS) == []


def test_a_pause_of_one_droplet_leaves_the_service_on_another(scene: Scene) -> None:
    scene.pauses = (Pause("droplet", service(2).name),)
    assert scene.acts(3, services=FAILS) == ["restart"]


def test_nothing_is_done_to_a_service_on_a_droplet_that_is_silent(scene: Scene) -> None:
    scene.acts(2, services=FAILS)
    assert [one for one in scene.acts(30, {1: HUNG}) if one in ("restart", "recreate", "rollback")] == []


def test_a_blind_controller_restarts_nothing(scene: Scene) -> None:
    scene.acts(2, services=FAILS)
    scene.self_test = BLIND
    assert scene.acts(30, services=FAILS) == []


def test_a_step_that_is_under_way_is_waited_for_until_its_deadline(scene: Scene) -> None:
    scene.acts(2, services=FAILS)
    assert scene.look(services=FAILS)[ONE].action == "restart"
    assert scene.look(services=FAILS)[ONE].because == "under way"
    assert scene.look(services=FAILS)[ONE].action == "restart"


def test_what_only_the_edge_does_not_reach_is_told_and_left_alone() -> None:
    case = Case(ONE, service=ServiceFacts("web", RELEASE))
    now, told = START, []
    for _ in range(8):
        now = now.later(60)
        seen = (Observation("agent", now, "healthy"), Observation("edge", now, "silent"))
        decision = decide(state(case), seen, now)
        case = decision.case
        told += [(decision.action, one.kind) for one in decision.alerts]
    assert told == [("alert", "outside")]


def test_the_agents_ring_is_counted_once_however_often_it_is_read() -> None:
    case = Case(ONE, service=ServiceFacts("web", RELEASE))
    ring = tuple(Observation("agent", START.later(10 * n), "unhealthy") for n in range(2))
    for _ in range(5):
        decision = decide(state(case), ring, START.later(15))
        case = decision.case
    assert case.down is not None
    assert (case.down.count, decision.action) == (2, "none")


def test_an_observation_that_is_old_says_nothing_of_now() -> None:
    ring = tuple(Observation("agent", START.later(10 * n), "unhealthy") for n in range(5))
    decision = decide(state(Case(ONE)), ring, START.later(40 + limits.FRESH + 1))
    assert (decision.action, decision.because) == ("none", "unknown")
