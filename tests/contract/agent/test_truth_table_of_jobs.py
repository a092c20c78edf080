"""The rule of scheduled containers, case by case, on real ones: begun by cron at times that a test gives, then judged.

Both nights on which clocks turn, the leap day and the runs that were missed are past ones: nothing is waited for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent import wire
from agent.cron.docker import DockerContainers
from agent.cron.keeper import Keeper
from agent.docker_api import DockerApi
from agent.runs import Runs
from agent.server import jobs
from agent.server.ports import Instance
from tests.contract.agent.engines import SOCKET, Lab
from tests.contract.sandbox.cloudflare.serving import until
from tests.unit.agent.builders import KINDS, release, spec

pytestmark = [
    pytest.mark.docker,
    pytest.mark.parametrize("shared_lab", [pytest.param("docker", marks=pytest.mark.docker)], indirect=True),
]
NAME = f"9fe5e6_truth_p{os.getpid()}_job"
"""Nobody else on this Docker has containers of that name."""
WELL, FAILS, LOUD = "echo all is well", "echo it fails; exit 3", "echo 'ERROR no disk'"
LONG = "exec /busybox sleep 1000"
FIRST_FAILS = "test -e /again && exec /busybox sleep 1000; /busybox touch /again; exit 3"
NEW_YORK, BERLIN = "America/New_York", "Europe/Berlin"
FOUR = datetime(2026, 11, 24, 4, tzinfo=UTC)
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@dataclass
class Service:
    """A scheduled service on Docker, and cron by a clock that a test sets."""

    lab: Lab
    folder: Path

    def begins(self, script: str, number: int = 1, **cron: Any) -> Instance:
        """A release is current."""
        line = wire.Cron(**{"expression": "0 4 * * *", "timeout_seconds": 600, **cron})
        command = ("/busybox", "sh", "-c", script)
        changes = {**KINDS["scheduled"], "cron": line, "command": command, "memory_mib": 16}
        made = self.lab.engine.create(NAME, spec(number, self.lab.image.id, **changes))
        self.lab.engine.rename(made, "current")
        return self.current

    def watched(self, since: datetime) -> Keeper:
        """Cron begins to look, with the first look at that time."""
        containers = DockerContainers(DockerApi(SOCKET), self.lab.repository)
        keeper = Keeper(containers, Runs(self.folder), since)
        keeper.tick(since)
        return keeper

    def run_at(self, keeper: Keeper, *times: datetime) -> None:
        """Cron looks at these times, and after each once what it began has ended."""
        for time in times:
            keeper.tick(time)
            until(lambda: self.current.stopped, "the run ends")
            keeper.tick(time + 5 * SECOND)

    @property
    def current(self) -> Instance:
        """The current container."""
        return next(one for one in self.lab.engine.instances(NAME) if one.role == "current")

    @property
    def runs(self) -> list[datetime]:
        """When runs were due that were begun or skipped, oldest first."""
        return [run.scheduled_for for run in reversed(Runs(self.folder).read(NAME))]

    def told(self, now: datetime, skew: timedelta = timedelta(0)) -> tuple[str, str]:
        """The verdict at a time, and its reason."""
        found = jobs.look(self.lab.engine, self.current, Runs(self.folder), skew, now)
        return found.verdict, found.reason


@pytest.fixture
def service(lab: Lab, tmp_path: Path) -> Iterator[Service]:
    yield Service(lab, tmp_path)
    assert isinstance(lab.engine.remove_runs(NAME), int)


@dataclass(frozen=True)
class Night:
    """A line, when it is watched from, at which times it starts, and at which it must not."""

    expression: str
    zone: str
    since: str
    starts: tuple[str, ...]
    not_at: tuple[str, ...] = ()


NIGHTS = {
    "a time that the spring night leaps over": Night(
        "30 2 * * *", BERLIN, "2026-03-28 12:00", ("2026-03-29 01:00", "2026-03-30 00:30"), ("2026-03-29 01:30",)
    ),
    "every hour of the spring night": Night(
        "0 * * * *", NEW_YORK, "2026-03-08 05:30", ("2026-03-08 06:00", "2026-03-08 07:00", "2026-03-08 08:00")
    ),
    "a time that the autumn night has twice": Night(
        "30 2 * * *", BERLIN, "2026-10-24 12:00", ("2026-10-25 00:30", "2026-10-26 01:30"), ("2026-10-25 01:30",)
    ),
    "every hour of the autumn night": Night(
        "0 * * * *", NEW_YORK, "2026-11-01 04:30", ("2026-11-01 05:00", "2026-11-01 06:00", "2026-11-01 07:00")
    ),
    "the leap day": Night("0 12 29 2 *", "UTC", "2024-02-28 12:00", ("2024-02-29 12:00",), ("2024-03-01 12:00",)),
    "no leap day in the year after": Night(
        "0 12 29 2 *", "UTC", "2024-02-28 12:00", ("2024-02-29 12:00",), ("2025-02-28 12:00", "2025-03-01 12:00")
    ),
    "the year's end": Night(
        "0 0 * * *", "UTC", "2025-12-30 12:00", ("2025-12-31 00:00", "2026-01-01 00:00"), ("2026-01-01 01:00",)
    ),
}


@pytest.mark.parametrize("night", NIGHTS.values(), ids=NIGHTS)
def test_on_a_special_day_every_run_that_came_is_well_and_none_is_missed(service: Service, night: Night) -> None:
    service.begins(WELL, expression=night.expression, zone=night.zone)
    keeper = service.watched(at(night.since))
    looks = sorted([*((at(time), True) for time in night.starts), *((at(time), False) for time in night.not_at)])
    for time, starts in looks:
        keeper.tick(time - 5 * SECOND)
        assert service.told(time - SECOND)[0] == "healthy"
        service.run_at(keeper, time)
        assert (time in service.runs) is starts
        for later in (30 * SECOND, 7 * MINUTE, 61 * MINUTE - SECOND):
            if not any(time < other <= time + later for other, _ in looks):
                assert service.told(time + later)[0] == "healthy"
    assert service.runs == [at(time) for time in night.starts]


@pytest.mark.parametrize("night", NIGHTS.values(), ids=NIGHTS)
def test_on_a_special_day_a_run_that_did_not_come_is_missed_once_it_is_late(service: Service, night: Night) -> None:
    made = service.begins(WELL, expression=night.expression, zone=night.zone)
    first = at(night.starts[0])
    Runs(service.folder).watch(NAME, made.id, at(night.since))
    assert service.told(first + 59 * SECOND)[0] == "healthy"
    assert service.told(first + 61 * MINUTE)[1].startswith(f"missed: the run of {first:%Y-%m-%d %H:%M:%S} UTC")


def test_a_first_time_that_has_not_come_is_healthy(service: Service) -> None:
    service.begins(WELL)
    service.watched(FOUR - MINUTE)
    assert service.told(FOUR - SECOND) == (
        "healthy",
        "it has not been due yet; the next time is 2026-11-24 04:00:00 UTC",
    )


LATER = FOUR + 2 * timedelta(hours=1)


@pytest.mark.parametrize(
    ("script", "verdict", "reason"),
    [
        (WELL, "healthy", "the run of 2026-11-24 04:00:00 UTC ended well"),
        (LOUD, "degraded", "the run of 2026-11-24 04:00:00 UTC ended well, but with 1 error(s) in its log"),
        (FAILS, "unhealthy", "failed: the run of 2026-11-24 04:00:00 UTC ended with code 3"),
        (
            "exec /not/there",
            "unhealthy",
            "failed: the run of 2026-11-24 04:00:00 UTC ended with code 127 (its command was not found)",
        ),
    ],
)
def test_how_a_run_ended_is_its_verdict(service: Service, script: str, verdict: str, reason: str) -> None:
    service.begins(script)
    service.run_at(service.watched(FOUR - MINUTE), FOUR)
    assert service.told(LATER) == (verdict, reason)


def test_a_run_that_needs_more_memory_than_it_has_is_a_failed_run(service: Service) -> None:
    made = service.begins("exec /busybox dd if=/dev/zero of=/dev/null bs=64M count=1")
    service.run_at(service.watched(FOUR - MINUTE), FOUR)
    state = DockerContainers(DockerApi(SOCKET), service.lab.repository).state(made.id)
    assert state is not None
    why = "it had too little memory" if state.oom else "it was killed"  # not every kernel tells Docker
    assert service.told(LATER) == (
        "unhealthy",
        f"failed: the run of 2026-11-24 04:00:00 UTC ended with code 137 ({why})",
    )


def test_a_command_that_cannot_be_started_is_a_failed_run(service: Service) -> None:
    line = wire.Cron(expression="0 4 * * *")
    changes = {**KINDS["scheduled"], "cron": line, "command": ("/not/there",)}
    made = service.lab.engine.create(NAME, spec(1, service.lab.image.id, **changes))
    service.lab.engine.rename(made, "current")
    service.watched(FOUR - MINUTE).tick(FOUR)
    verdict, reason = service.told(LATER)
    assert verdict == "unhealthy"
    assert reason.startswith("failed: the run of 2026-11-24 04:00:00 UTC could not start: ")


def test_while_a_run_goes_on_the_one_before_is_the_verdict_until_it_takes_too_long(service: Service) -> None:
    service.begins(FIRST_FAILS)
    keeper = service.watched(FOUR - MINUTE)
    service.run_at(keeper, FOUR)
    tomorrow = FOUR + timedelta(days=1)
    keeper.tick(tomorrow)
    verdict, reason = service.told(tomorrow + 9 * MINUTE)
    assert (verdict, "; a run goes on since 2026-11-25 04:00:00 UTC" in reason) == ("unhealthy", True)
    assert "ended with code 3" in reason
    assert service.told(tomorrow + 11 * MINUTE)[1].startswith("overrun: the run since 2026-11-25 04:00:00 UTC")


def test_a_job_that_takes_longer_than_its_period_overlaps_and_then_overruns(service: Service) -> None:
    service.begins(LONG, expression="* * * * *", timeout_seconds=240)
    keeper = service.watched(FOUR - SECOND)
    keeper.tick(FOUR)
    keeper.tick(FOUR + MINUTE)
    keeper.tick(FOUR + 2 * MINUTE)
    assert service.runs == [FOUR, FOUR + MINUTE, FOUR + 2 * MINUTE]
    assert service.told(FOUR + 90 * SECOND)[0] == "degraded"
    assert service.told(FOUR + 3 * MINUTE) == (
        "degraded",
        "overlap: the run since 2026-11-24 04:00:00 UTC is still going on at the next time",
    )
    assert service.told(FOUR + 241 * SECOND)[1].startswith("overrun: ")
    keeper.tick(FOUR + 5 * MINUTE)  # which asks it to end
    service.lab.engine.stop(NAME, 0)
    keeper.tick(FOUR + 5 * MINUTE + 5 * SECOND)
    assert service.told(FOUR + 5 * MINUTE + 10 * SECOND)[0] in ("degraded", "unhealthy")


def test_a_run_that_nobody_began_because_cron_was_down_is_missed_and_not_made_up_for(service: Service) -> None:
    service.begins(WELL)
    service.run_at(service.watched(FOUR - MINUTE), FOUR)
    tomorrow = FOUR + timedelta(days=1)
    service.watched(tomorrow + 2 * timedelta(hours=1))
    assert service.runs == [FOUR]
    assert service.told(tomorrow + 59 * MINUTE)[0] == "healthy"
    assert service.told(tomorrow + 2 * timedelta(hours=1)) == (
        "unhealthy",
        "missed: the run of 2026-11-25 04:00:00 UTC did not begin",
    )


def test_a_run_while_the_agent_was_down_is_known_to_the_next_agent(service: Service) -> None:
    service.begins(FAILS)
    service.run_at(service.watched(FOUR - MINUTE), FOUR)  # nobody judged meanwhile
    assert service.told(LATER)[1] == "failed: the run of 2026-11-24 04:00:00 UTC ended with code 3"


def test_with_clocks_apart_by_more_than_half_of_what_a_start_may_be_late_nothing_is_known(service: Service) -> None:
    service.begins(WELL)
    service.watched(FOUR - MINUTE)
    assert service.told(LATER, timedelta(minutes=31))[0] == "unknown"
    assert service.told(LATER, -timedelta(minutes=31))[0] == "unknown"
    assert service.told(LATER, timedelta(minutes=29))[0] == "unhealthy"


def test_the_log_of_a_run_counts_though_another_release_has_come_since(service: Service) -> None:
    old = service.begins(LOUD)
    service.run_at(service.watched(FOUR - MINUTE), FOUR)
    service.lab.engine.rename(old, "previous")
    new = service.begins(WELL, 2)
    Runs(service.folder).watch(NAME, new.id, FOUR - MINUTE)
    assert service.told(LATER)[0] == "degraded"
    service.lab.engine.remove(f"{NAME}.previous")
    found = jobs.look(service.lab.engine, service.current, Runs(service.folder), now=LATER)
    assert (found.verdict, found.evidence["note"]) == ("healthy", "its log went with its container")
    assert new.release == release(2)


def test_the_log_of_the_run_before_does_not_count(service: Service) -> None:
    service.begins("test -e /again && echo all is well || echo ERROR no disk; /busybox touch /again")
    service.run_at(service.watched(FOUR - MINUTE), FOUR)
    assert service.told(LATER)[0] == "degraded"
    tomorrow = FOUR + timedelta(days=1)
    service.run_at(service.watched(tomorrow - MINUTE), tomorrow)
    assert service.told(tomorrow + 2 * timedelta(hours=1))[0] == "healthy"
