"""What a drill found: its record in the history, and the table that people read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from prefect.artifacts import create_table_artifact

from blocks.environment import Environment
from fleet.drills import FAULTS, Record, times
from tasks.drills.files import History
from tasks.drills.orders import DrillOrder, Target
from tasks.drills.watching import Watch
from tasks.policy import reason

KEY: Final = "drills"
SHOWN: Final = 100


@contextmanager
def recorded(order: DrillOrder, target: Target, environment: Environment) -> Iterator[DrillRun]:
    """The drill, kept and shown when the block ends, however it ends."""
    run = DrillRun(order, target, environment)
    try:
        yield run
    except BaseException as error:
        run.outcome = f"the run did not end well: {reason(error)}"[:300]
        raise
    finally:
        show(History().add(run.record()))


class DrillRun:
    """One drill while it goes on."""

    def __init__(self, order: DrillOrder, target: Target, environment: Environment) -> None:
        self.order, self.target, self.environment = order, target, environment
        self.at = datetime.now(UTC)
        self.watch = Watch(order, target, environment)
        self.undone: float | None = None
        self.outcome = ""

    def begin(self) -> None:
        """The fault is made: everything is counted from now."""
        self.watch.restart()

    def end(self) -> None:
        """The fault is undone."""
        self.undone = self.watch.elapsed if FAULTS[self.order.fault].lasting else None
        self.watch.is_over = True

    def record(self) -> Record:
        """What is kept of it."""
        return Record(
            at=self.at,
            environment=self.environment.title(),
            droplet=self.target.droplet.name,
            fault=self.order.fault,
            seconds=self.order.seconds,
            times=times(self.watch.looks),
            undone=self.undone,
            outcome=self.outcome,
        )


def show(records: list[Record]) -> None:
    """The latest drills as a table, the newest first."""
    latest = records[-1]
    title = f"# {latest.fault} on {latest.droplet}: {latest.told}"
    create_table_artifact([row(one) for one in reversed(records[-SHOWN:])], key=KEY, description=title)


def row(one: Record) -> dict[str, Any]:
    """One drill in the table."""
    return {
        "when": f"{one.at:%Y-%m-%d %H:%M:%S} UTC",
        "environment": one.environment,
        "droplet": one.droplet,
        "fault": one.fault,
        "what": FAULTS[one.fault].does,
        "noticed after": _seconds(one.times.detected),
        "by": one.times.by,
        "saw": one.times.saw,
        "undone after": _seconds(one.undone),
        "well again after": _seconds(one.times.recovered),
        "outcome": one.told,
    }


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} s"
