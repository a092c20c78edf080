"""What cron does, look by look: runs begun, followed, ended, skipped, and never made up for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent import wire
from agent.cron.__main__ import keep, pause
from agent.cron.keeper import Keeper, Step, decide
from agent.docker_api import EngineDown
from agent.runs import Runs
from tests.fakes.jobs import FakeJobs, utc
from tests.fakes.router import Killed
from tests.unit.agent.builders import NAME, release

BEGUN = utc("2026-11-24 03:58:00")
FIVE = wire.Cron(expression="*/5 * * * *", timeout_seconds=120)
BESIDE = FIVE.model_copy(update={"overlap": True, "timeout_seconds": 900})
FOUR = utc("2026-11-24 04:00:00")
LOOK = timedelta(seconds=5)


class Scene:
    """A droplet with one scheduled service, and the cron that looks after it."""

    def __init__(self, folder: Path, cron: wire.Cron = FIVE, begun: datetime = BEGUN) -> None:
        self.docker = FakeJobs(begun)
        self.runs = Runs(folder)
        self.id = self.docker.add(NAME, cron, release(1))
        self.reboot()
        self.look(begun)

    def reboot(self) -> None:
        """A new process of cron; the first look is yet to come."""
        self.keeper = Keeper(self.docker, self.runs, self.docker.now)

    def look(self, now: datetime | None = None) -> None:
        """One look at this time, or five seconds after the last one."""
        self.docker.now = now or self.docker.now + LOOK
        self.keeper.tick(self.docker.now)

    def until(self, end: datetime) -> None:
        """Look every five seconds."""
        while self.docker.now < end:
            self.look()

    @property
    def told(self) -> list[tuple[str, str]]:
        """Times and outcomes, oldest first."""
        return [(f"{one.scheduled_for:%H:%M}", one.outcome) for one in reversed(self.runs.read(NAME))]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


@pytest.mark.parametrize(
    ("since", "now", "going", "overlap", "step"),
    [
        ("03:59:55", "03:59:59", False, False, None),
        ("03:59:55", "04:00:00", False, False, "start"),
        ("04:00:00", "04:00:05", False, False, None),
        ("03:59:55", "04:00:00", True, False, "skip"),
        ("03:59:55", "04:00:00", True, True, "start beside"),
        ("03:50:00", "04:00:30", False, False, "start"),
        ("03:50:00", "04:01:01", False, False, "let go"),
        ("04:00:05", "03:30:00", False, False, None),
    ],
)
def test_a_look_decides_by_the_times_since_the_last_one(
    since: str, now: str, going: bool, overlap: bool, step: str | None
) -> None:
    cron = BESIDE if overlap else FIVE
    found = decide(cron, utc(f"2026-11-24 {since}"), utc(f"2026-11-24 {now}"), going)
    assert found == (Step(step, FOUR) if step else None)  # type: ignore[arg-type]  # the words are those of Step


def test_a_run_is_written_down_when_it_begins_and_when_it_ends_with_dockers_own_times(scene: Scene) -> None:
    scene.until(FOUR)
    assert scene.docker.running() == [scene.id]
    (begun,) = scene.runs.read(NAME)
    assert (begun.scheduled_for, begun.outcome, begun.started_at, begun.container) == (FOUR, "running", FOUR, scene.id)
    scene.docker.now += timedelta(seconds=3)
    scene.docker.finish(scene.id, 3)
    scene.look()
    (ended,) = scene.runs.read(NAME)
    assert (ended.outcome, ended.exit_code, ended.oom, ended.release) == ("ended", 3, False, release(1))
    assert (ended.started_at, ended.ended_at) == (FOUR + timedelta(milliseconds=5), FOUR + timedelta(seconds=3))


def test_it_runs_again_at_every_time(scene: Scene) -> None:
    for minute in (0, 5, 10):
        scene.until(FOUR.replace(minute=minute))
        scene.docker.finish(scene.id)
    scene.look()
    assert scene.told == [("04:00", "ended"), ("04:05", "ended"), ("04:10", "ended")]


def test_a_run_that_lacked_memory_says_so(scene: Scene) -> None:
    scene.until(FOUR)
    scene.docker.finish(scene.id, 137, oom=True)
    scene.look()
    assert (scene.runs.read(NAME)[0].exit_code, scene.runs.read(NAME)[0].oom) == (137, True)


def test_what_docker_refuses_to_start_is_written_down_with_the_reason(scene: Scene) -> None:
    scene.docker.unstartable = "executable file not found in $PATH"
    scene.until(FOUR + LOOK)
    (run,) = scene.runs.read(NAME)
    assert (run.outcome, run.note) == ("failed_to_start", "executable file not found in $PATH")


def test_a_time_at_which_the_run_before_goes_on_is_skipped_and_written_down(tmp_path: Path) -> None:
    scene = Scene(tmp_path, FIVE.model_copy(update={"timeout_seconds": 900}))
    scene.until(FOUR + timedelta(minutes=6))
    assert scene.told == [("04:00", "running"), ("04:05", "skipped")]
    assert scene.docker.running() == [scene.id]


def test_with_overlap_it_runs_in_an_extra_container_which_is_gone_afterwards(tmp_path: Path) -> None:
    scene = Scene(tmp_path, BESIDE)
    scene.until(FOUR + timedelta(minutes=6))
    assert scene.told == [("04:00", "running"), ("04:05", "running")]
    first, extra = scene.docker.running()
    scene.docker.finish(extra, 4)
    scene.look()
    assert [job.id for job in scene.docker.jobs()] == [first]
    assert [(one.outcome, one.exit_code) for one in scene.runs.read(NAME)] == [("ended", 4), ("running", None)]
    scene.docker.finish(first)
    scene.until(FOUR + timedelta(minutes=10))
    assert scene.docker.running() == [first]


def test_a_run_that_takes_too_long_is_asked_to_end(scene: Scene) -> None:
    scene.until(FOUR + timedelta(seconds=120))
    assert scene.docker.signals == []
    scene.until(FOUR + timedelta(seconds=130))
    assert scene.docker.signals == [(scene.id, "SIGTERM")]
    assert scene.told == [("04:00", "timed_out")]


def test_a_run_that_takes_too_long_and_does_not_end_is_killed_after_its_grace(scene: Scene) -> None:
    scene.docker.stubborn = True
    scene.until(FOUR + timedelta(seconds=140))
    assert scene.docker.signals == [(scene.id, "SIGTERM"), (scene.id, "SIGKILL")]
    assert scene.told == [("04:00", "timed_out")]


def test_after_a_reboot_missed_times_are_not_made_up_for_and_leave_no_record(scene: Scene) -> None:
    scene.until(FOUR)
    scene.docker.finish(scene.id, 137)
    scene.docker.now = FOUR + timedelta(minutes=12)
    scene.reboot()
    scene.until(FOUR + timedelta(minutes=16))
    assert scene.told == [("04:00", "ended"), ("04:15", "running")]
    assert scene.runs.watched(NAME) == (scene.id, BEGUN)


def test_a_time_within_crons_own_restart_is_begun_once(scene: Scene) -> None:
    scene.until(FOUR - LOOK)
    scene.docker.now = FOUR + timedelta(seconds=2)
    scene.reboot()
    scene.look()
    scene.reboot()
    scene.look()
    assert scene.told == [("04:00", "running")]


def test_a_time_before_crons_own_restart_is_missed_even_if_a_start_would_not_be_late(scene: Scene) -> None:
    scene.until(FOUR - LOOK)
    scene.docker.now = FOUR + timedelta(seconds=20)
    scene.reboot()
    scene.until(FOUR + timedelta(minutes=1))
    assert scene.told == []


def test_a_service_that_is_deployed_anew_is_not_begun_for_a_time_at_which_it_was_not_there(scene: Scene) -> None:
    scene.until(FOUR - LOOK)
    scene.docker.remove(scene.id)
    scene.until(FOUR + LOOK)
    scene.docker.add(NAME, FIVE, release(2))
    scene.until(FOUR + timedelta(minutes=1))
    assert scene.told == []


def test_a_run_that_goes_on_is_picked_up_by_the_next_cron(scene: Scene) -> None:
    scene.until(FOUR)
    scene.reboot()
    scene.look()
    scene.docker.finish(scene.id, 0)
    scene.look()
    assert scene.told == [("04:00", "ended")]


def test_a_run_that_was_written_down_and_never_started_is_found_out(scene: Scene) -> None:
    scene.until(FOUR - LOOK)
    scene.docker.deadly = True
    with pytest.raises(Killed):
        scene.look()
    scene.docker.deadly = False
    scene.reboot()
    scene.until(FOUR + timedelta(minutes=1))
    (run,) = scene.runs.read(NAME)
    assert (run.outcome, run.note) == ("failed_to_start", "cron ended before it could start it")
    assert scene.docker.running() == []


def test_a_run_that_somebody_started_is_written_down_and_a_time_meanwhile_is_skipped(scene: Scene) -> None:
    scene.until(FOUR - LOOK)
    scene.docker.start(scene.id)
    scene.until(FOUR + LOOK)
    assert scene.told == [("03:59", "running"), ("04:00", "skipped")]
    assert scene.runs.read(NAME)[1].note == "started out of turn"


def test_a_new_release_takes_over_and_is_watched_from_then_on(scene: Scene) -> None:
    scene.until(FOUR - LOOK)
    later = scene.docker.add(NAME, FIVE, release(2))
    scene.look(FOUR + timedelta(seconds=1))
    assert scene.docker.running() == [later]
    assert scene.runs.watched(NAME) == (later, FOUR + timedelta(seconds=1))
    assert scene.runs.read(NAME)[0].release == release(2)


def test_a_service_that_is_removed_leaves_nothing_and_its_run_is_not_written_down_any_more(scene: Scene) -> None:
    scene.until(FOUR)
    scene.docker.remove(scene.id)
    scene.runs.remove(NAME)
    scene.look()
    assert (scene.runs.read(NAME), scene.runs.names()) == ((), frozenset())


def test_a_run_whose_container_is_gone_while_the_service_lives_on_has_no_exit_code(scene: Scene) -> None:
    scene.until(FOUR)
    scene.docker.add(NAME, FIVE, release(2))
    scene.docker.remove(scene.id)
    scene.look()
    (run,) = scene.runs.read(NAME)
    assert (run.outcome, run.exit_code, run.note) == ("ended", None, "its container was removed")


def test_a_clock_that_is_set_back_starts_no_time_twice_and_one_that_is_set_forth_starts_none_that_it_leapt_over(
    scene: Scene,
) -> None:
    scene.until(FOUR)
    scene.docker.finish(scene.id)
    scene.look(FOUR - timedelta(minutes=2))
    scene.until(FOUR + timedelta(minutes=1))
    assert scene.told == [("04:00", "ended")]
    scene.look(FOUR + timedelta(hours=3, minutes=2))
    assert scene.docker.running() == []
    scene.until(FOUR + timedelta(hours=3, minutes=5))
    assert scene.told == [("04:00", "ended"), ("07:05", "running")]


def test_while_docker_is_down_nothing_is_lost_that_is_not_late(scene: Scene) -> None:
    scene.until(FOUR - LOOK)
    scene.docker.down = True
    for _ in range(5):
        with pytest.raises(EngineDown):
            scene.look()
    scene.docker.down = False
    scene.look()
    assert scene.told == [("04:00", "running")]


def test_one_service_that_cannot_be_looked_after_keeps_no_other_from_its_times(scene: Scene) -> None:
    bad = FIVE.model_copy(update={"expression": "61 * * * *"})
    scene.docker.add("9fe5e6_demo_prod_aaa", bad, release(1))
    scene.until(FOUR)
    assert scene.told == [("04:00", "running")]


def test_looks_are_at_whole_multiples_of_five_seconds_and_end_when_told() -> None:
    assert pause(FOUR) == 5.0
    assert pause(FOUR + timedelta(seconds=3, milliseconds=500)) == 1.5
    docker = FakeJobs(FOUR)
    docker.down = True
    waits: list[float] = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        docker.now += timedelta(seconds=seconds)
        return len(waits) == 3

    keep(Keeper(docker, Runs(Path("/nonexistent")), FOUR), wait, lambda: docker.now)
    assert waits == [5.0, 5.0, 5.0]


@contextmanager
def fresh(folder: Path, cron: wire.Cron) -> Iterator[Scene]:
    scene = Scene(folder, cron)
    yield scene
    scene.runs.remove(NAME)


EVENTS = st.lists(st.sampled_from(["look"] * 8 + ["finish", "reboot", "sleep", "back", "down"]), max_size=60)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(EVENTS, st.booleans())
def test_whatever_happens_no_time_is_begun_twice_and_without_overlap_no_two_runs_go_on(
    tmp_path: Path, events: list[str], overlap: bool
) -> None:
    with fresh(tmp_path, wire.Cron(expression="* * * * *", timeout_seconds=40, overlap=overlap)) as scene:
        for event in events:
            scene.docker.down = event == "down"
            match event:
                case "finish":
                    for id in scene.docker.running()[:1]:
                        scene.docker.finish(id)
                case "reboot":
                    scene.reboot()
                case "sleep" | "back":
                    scene.docker.now += timedelta(seconds=90 if event == "sleep" else -90)
            try:
                scene.look(scene.docker.now + timedelta(seconds=15))
            except EngineDown:
                assert event == "down"
            assert overlap or len(scene.docker.running()) <= 1
        begun = [one.scheduled_for for one in scene.runs.read(NAME) if not one.note]
        assert len(begun) == len(set(begun))
        scene.docker.down = False
        for id in scene.docker.running():
            scene.docker.finish(id)
        scene.look()
        assert [job.id for job in scene.docker.jobs()] == [scene.id]
