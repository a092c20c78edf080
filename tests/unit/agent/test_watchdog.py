"""What the droplet's watchdog does about its containers, on a Docker in memory and by a clock that a test sets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import wire
from agent.server import restarts
from agent.server.leases import Leases, Moment
from agent.server.ports import EngineDown, Instance
from agent.server.restarts import Record
from agent.server.watchdog import Watchdog
from tests.fakes.engine import FakeEngine
from tests.unit.agent.builders import KINDS, NAME, release, spec

BEGIN = Moment("a boot", 100.0, datetime(2026, 11, 24, 2, 15, tzinfo=UTC))


@dataclass
class Clock:
    """A time that goes when it is told to."""

    now: Moment = BEGIN

    def __call__(self) -> Moment:
        return self.now

    def go(self, seconds: float) -> None:
        """So much later."""
        self.now = replace(self.now, elapsed=self.now.elapsed + seconds)


class Scene:
    """A droplet with one service, its watchdog, and nobody else."""

    def __init__(self, folder: Path, engine: FakeEngine) -> None:
        self.folder, self.engine, self.clock = folder, engine, Clock()
        self.image = engine.add_image(b"layer")
        self.changing = False
        self.boots()

    def boots(self) -> None:
        """The agent begins anew."""
        self.leases = Leases(self.folder / "leases.json", self.clock)
        self.dog = Watchdog(
            self.folder / "watchdog.json", self.engine, self.leases, lambda name: self.changing, self.clock, lambda: 1.0
        )

    def reboots(self) -> None:
        """The droplet begins anew, and its clock of seconds with it."""
        self.clock.now = Moment(f"after {self.clock.now.boot}", 5.0, self.clock.now.utc)
        self.boots()

    def docker_is_away(self) -> None:
        """For three looks, none of which comes to anything."""
        self.engine.down = True
        for _ in range(3):
            with pytest.raises(EngineDown):
                self.looks()
        self.engine.down = False

    def runs(self, kind: str = "web", number: int = 1, **changes: Any) -> None:
        """A release is current, and runs."""
        made = self.engine.create(NAME, spec(number, self.image.id, **{**KINDS[kind], **changes}))
        self.engine.start(made.full_name)
        self.engine.rename(made, "current")

    def looks(self, times: int = 1, every: float = 10.0) -> None:
        """So many rounds."""
        for _ in range(times):
            self.clock.go(every)
            self.dog.round()

    @property
    def current(self) -> Instance:
        """The container."""
        return next(one for one in self.engine.instances(NAME) if one.role == "current")

    @property
    def told(self) -> wire.Watch:
        """What the watchdog tells of it."""
        found = self.dog.told(self.current)
        assert found is not None
        return found


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with FakeEngine() as engine:
        yield Scene(tmp_path, engine)


@pytest.mark.parametrize("kind", ["web", "tcp", "worker"])
def test_a_container_that_ended_is_started_at_the_next_look(scene: Scene, kind: str) -> None:
    scene.engine.head_start = timedelta(seconds=30)
    scene.runs(kind)
    scene.looks()
    scene.engine.exit(NAME)
    scene.looks()
    assert scene.current.running
    assert scene.told.restarts == 1
    assert not scene.leases.held().leases


def test_one_that_runs_and_does_not_answer_is_restarted_after_three_looks(scene: Scene) -> None:
    scene.engine.mute.add(release(1))
    scene.runs()
    scene.looks()
    began = scene.current.started_at
    scene.looks(3)
    assert [one.saw for one in scene.told.looks] == ["starting", "unhealthy", "unhealthy", "unhealthy"]
    assert scene.current.started_at != began


def test_errors_in_its_log_restart_nothing(scene: Scene) -> None:
    scene.runs()
    began = scene.current.started_at
    for _ in range(100):
        scene.engine.say(NAME, "FATAL ERROR panic: restart me")
    scene.looks(20)
    assert (scene.current.started_at, scene.told.restarts) == (began, 0)


def test_a_crash_loop_is_held_by_the_budget_and_reported_once(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.runs()
    scene.engine.crashing.add(release(1))
    scene.engine.exit(NAME)
    scene.looks(100)
    assert (scene.told.restarts, scene.told.held, scene.current.running) == (2, True, False)
    assert [one.message for one in caplog.records].count("it is held: restarts did not help") == 1


def test_an_agent_that_begins_anew_has_spent_what_it_had_spent(scene: Scene) -> None:
    scene.runs()
    scene.engine.crashing.add(release(1))
    scene.engine.exit(NAME)
    for _ in range(20):
        scene.looks(3)
        scene.boots()
    scene.looks()
    assert (scene.told.restarts, scene.told.held) == (2, True)


def test_a_reboot_does_not_make_a_budget_whole(scene: Scene) -> None:
    scene.runs()
    scene.engine.crashing.add(release(1))
    scene.engine.exit(NAME)
    scene.looks(2)
    scene.clock.now = Moment("the next boot", 5.0, scene.clock.now.utc)
    scene.boots()
    scene.looks(20)
    assert (scene.told.restarts, scene.told.held) == (2, True)


def test_a_jump_of_the_clock_changes_nothing(scene: Scene) -> None:
    scene.runs()
    scene.looks(2)
    scene.clock.now = replace(scene.clock.now, utc=scene.clock.now.utc - timedelta(days=300))
    scene.looks(2)
    assert {one.saw for one in scene.told.looks} == {"healthy"}
    assert scene.told.restarts == 0


def test_a_worker_is_steady_by_the_time_that_passed_and_not_by_a_clock_that_was_set_back(scene: Scene) -> None:
    scene.runs("worker", steady_seconds=300)
    assert scene.dog.ran(scene.current) == 0.0
    scene.looks(60)
    assert {one.saw for one in scene.told.looks} == {"healthy"}
    assert scene.told.restarts == 0
    assert scene.dog.ran(scene.current) == 590.0


def test_a_restart_of_docker_that_leaves_containers_running_is_no_event(scene: Scene) -> None:
    scene.runs()
    scene.looks(3)
    before = scene.current
    scene.docker_is_away()
    scene.looks(3)
    assert (scene.current, scene.told.restarts) == (before, 0)
    assert {one.saw for one in scene.told.looks} == {"healthy"}


def test_a_restart_of_docker_that_starts_containers_anew_gives_them_their_time_and_spends_no_budget(
    scene: Scene,
) -> None:
    scene.runs()
    scene.looks(3)
    scene.engine.exit(NAME, 0)
    scene.docker_is_away()
    scene.engine.mute.add(release(1))
    scene.engine.start(NAME)
    scene.looks()
    scene.engine.mute.clear()
    scene.engine.restart(NAME, 1)
    scene.looks()
    assert [one.saw for one in scene.told.looks][-2:] == ["starting", "healthy"]
    assert scene.told.restarts == 0


def test_what_docker_does_not_bring_back_after_its_restart_is_started_at_the_next_look(scene: Scene) -> None:
    scene.runs()
    scene.looks(3)
    scene.engine.exit(NAME, 0)
    scene.docker_is_away()
    scene.looks()
    assert (scene.current.running, scene.told.restarts) == (True, 1)


def test_after_a_reboot_what_docker_brought_back_is_left_alone_and_what_it_did_not_is_started(scene: Scene) -> None:
    scene.runs()
    scene.looks(3)
    scene.engine.exit(NAME, 137)
    scene.engine.start(NAME)
    scene.reboots()
    scene.looks(3)
    assert scene.told.restarts == 0
    scene.engine.exit(NAME, 137)
    scene.reboots()
    scene.looks()
    assert (scene.current.running, scene.told.restarts) == (True, 1)


def test_what_was_stopped_on_purpose_stays_stopped_after_a_reboot(scene: Scene) -> None:
    scene.runs()
    scene.dog.rest(NAME)
    scene.engine.stop(NAME, 1)
    scene.reboots()
    scene.looks(5)
    assert (scene.current.running, scene.told.resting) == (False, True)


def test_an_agent_that_is_there_before_docker_after_a_reboot_waits_for_it(scene: Scene) -> None:
    scene.runs()
    scene.engine.exit(NAME, 137)
    scene.reboots()
    scene.docker_is_away()
    assert not scene.current.running
    scene.looks()
    assert (scene.current.running, scene.told.restarts) == (True, 1)


@pytest.mark.parametrize("days", [-300, 300])
def test_a_clock_that_is_set_while_a_restart_waits_neither_hastens_nor_holds_it_up(scene: Scene, days: int) -> None:
    scene.runs()
    scene.engine.crashing.add(release(1))
    scene.engine.exit(NAME)
    scene.looks()
    assert scene.told.restarts == 1
    scene.clock.now = replace(scene.clock.now, utc=scene.clock.now.utc + timedelta(days=days))
    scene.looks(every=5)
    assert scene.told.restarts == 1
    scene.looks(2)
    assert scene.told.restarts == 2


def test_ten_good_minutes_make_the_budget_whole_again(scene: Scene) -> None:
    scene.runs()
    for _ in range(2):
        scene.engine.exit(NAME)
        scene.looks(3)
    scene.looks(62)
    assert scene.told.restarts == 0
    scene.engine.exit(NAME)
    scene.looks()
    assert scene.current.running


def test_whoever_holds_the_lease_is_left_alone(scene: Scene) -> None:
    scene.runs()
    lease = scene.leases.take(NAME, wire.LeaseRequest(holder="a deploy", seconds=600))
    scene.engine.exit(NAME)
    scene.looks(5)
    assert not scene.current.running
    scene.leases.free(NAME, lease.fencing)
    scene.looks()
    assert scene.current.running


def test_a_change_that_goes_on_without_its_lease_is_left_alone(scene: Scene) -> None:
    scene.runs()
    scene.engine.exit(NAME)
    scene.changing = True
    scene.looks(5)
    assert (scene.current.running, scene.told.restarts) == (False, 0)


def test_what_was_stopped_on_purpose_stays_stopped_also_after_a_restart_of_the_agent(scene: Scene) -> None:
    scene.runs()
    scene.dog.rest(NAME)
    scene.engine.stop(NAME, 1)
    scene.looks(5)
    scene.boots()
    scene.looks(5)
    assert (scene.current.running, scene.told.resting) == (False, True)
    scene.engine.start(NAME)
    scene.looks()
    assert not scene.told.resting


@pytest.mark.parametrize("role", ["candidate", "previous", "kept"])
def test_nothing_but_the_current_container_is_touched(scene: Scene, role: wire.Role) -> None:
    scene.runs()
    scene.engine.rename(scene.current, role)
    for one in scene.engine.instances(NAME):
        scene.engine.exit(one.full_name)
    scene.looks(5)
    assert not any(one.running for one in scene.engine.instances(NAME))


def test_a_scheduled_container_is_never_started(scene: Scene) -> None:
    scene.runs("scheduled")
    scene.engine.exit(NAME)
    scene.looks(5)
    assert not scene.current.running


def test_a_docker_that_does_not_answer_is_waited_for(scene: Scene) -> None:
    scene.runs()
    scene.engine.exit(NAME)
    scene.engine.down = True
    with pytest.raises(Exception, match="it is down"):
        scene.looks()
    scene.engine.down = False
    scene.looks()
    assert scene.current.running


def test_a_watchdog_that_stands_still_is_not_alive(scene: Scene) -> None:
    scene.runs()
    scene.looks()
    assert scene.dog.alive()
    scene.clock.go(200)
    assert not scene.dog.alive()


@given(
    st.lists(st.tuples(st.sampled_from(["healthy", "unhealthy", "starting", "ended"]), st.floats(1, 60)), max_size=300)
)
def test_no_history_spends_more_than_the_budget(history: list[tuple[restarts.Word, float]]) -> None:
    record, now, spent = Record(), 0.0, list[float]()
    for word, pause in history:
        now += pause
        record = restarts.seen(record, word, now)
        if record.good_since is not None and now - record.good_since >= restarts.GOOD:
            spent.clear()
        if restarts.decide(record, word, now, 0.5) == "restart":
            record = restarts.spend(record, now)
            spent.append(now)
        assert len([at for at in spent if at > now - restarts.WINDOW]) <= restarts.RESTARTS
