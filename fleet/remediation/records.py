"""The evidence of every decision: what it followed from, what it was, and what became of it; kept on disk by day.

A file holds a day's records, one JSON document a line, and is only ever added to. What became of a decision is a line
of its own, in the file of the decision's day. A line that was cut off by a crash is passed over, and costs no other.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter

from fleet.errors import InvalidInput, NotFound, PermanentError
from fleet.remediation import limits
from fleet.remediation.advance import Outcome
from fleet.remediation.causes import Cause
from fleet.remediation.decide import decide
from fleet.remediation.decision import Decision
from fleet.remediation.moments import Moment
from fleet.remediation.observations import Observation
from fleet.remediation.redaction import last_lines
from fleet.remediation.rounds import Deliberation
from fleet.remediation.state import State

KEPT: Final = timedelta(days=90)
DAY_BYTES: Final = 32 * 2**20
"""When a day's file is larger, only decisions that act are written, and their outcomes; beyond twice that, nothing."""
ID: Final = re.compile(r"([0-9]{8})t[0-9]{6}-[0-9a-f]{10}")


@dataclass(frozen=True, slots=True)
class OutcomeRecord:
    """What became of a decision, as told by whoever carried it out."""

    id: str
    """The decision's."""
    outcome: Outcome
    at: Moment
    flow_run: str = ""
    fencing: dict[str, int] = field(default_factory=dict)
    """The fencing numbers of the locks that it was carried out under, by droplet."""
    kind: Literal["outcome"] = "outcome"


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """A decision with all that it followed from: enough to make it again."""

    id: str
    environment: str
    state: State
    observations: tuple[Observation, ...]
    at: Moment
    decision: Decision
    rules: str = limits.RULES
    """The version of the rules that decided."""
    flow_run: str = ""
    """The round that decided."""
    log: tuple[str, ...] = ()
    """The last lines of the service, redacted, at most 200."""
    cause: Cause | None = None
    outcomes: tuple[OutcomeRecord, ...] = ()
    """What became of it, in order; empty: nothing was to be done, or nobody has told."""
    kind: Literal["decision"] = "decision"


Line = DecisionRecord | OutcomeRecord
_LINES: Final[TypeAdapter[Line]] = TypeAdapter(Annotated[Line, Field(discriminator="kind")])


@dataclass(frozen=True, slots=True)
class Day:
    """What a day's file holds."""

    records: tuple[DecisionRecord, ...]
    damaged: int = 0
    """Lines that could not be read."""


def make_record(
    made: Deliberation, environment: str, flow_run: str = "", log: Iterable[str] = (), cause: Cause | None = None
) -> DecisionRecord:
    """The record of a decision; log lines are redacted here."""
    return DecisionRecord(
        made.id,
        environment,
        made.state,
        made.observations,
        made.at,
        made.decision,
        flow_run=flow_run,
        log=last_lines(log),
        cause=cause,
    )


def replay(record: DecisionRecord) -> Decision:
    """The decision, made again from what the record says that it followed from."""
    return decide(record.state, record.observations, record.at)


def differences(first: Decision, second: Decision) -> list[str]:
    """Where two decisions differ, by field; empty: they are the same."""
    if first == second:
        return []
    return [one.name for one in fields(Decision) if getattr(first, one.name) != getattr(second, one.name)]


def day_of(id: str) -> date:
    """The day of a decision, in UTC.

    Raises:
        InvalidInput: no decision is called that.
    """
    match = ID.fullmatch(id)
    try:
        return datetime.strptime(match[1] if match else "", "%Y%m%d").date()
    except ValueError:
        raise InvalidInput(
            f"{id!r} is no decision.",
            hint="Take its whole name, e.g. 20261124t021530-9fe5e6a1b2, from an alert or a table.",
        ) from None


class Records:
    """A folder of records, readable by its owner alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, lines: Iterable[Line]) -> int:
        """Adds lines, and returns when they are on the disk; gives how many were left out because the day is full.

        Raises:
            PermanentError: the day is so full that not even decisions that act are written: do not act.
        """
        days: dict[date, list[Line]] = {}
        for line in lines:
            days.setdefault(day_of(line.id), []).append(line)
        return sum(self._append(day, found) for day, found in sorted(days.items()))

    def find(self, id: str) -> DecisionRecord:
        """The record of this name, with what became of it.

        Raises:
            InvalidInput: no decision is called that.
            NotFound: there is no such record here (any more).
        """
        path = self._path(day_of(id))
        texts = path.read_bytes().splitlines() if path.exists() else []
        about = _read([text for text in texts if id.encode() in text])
        found = next((one for one in about.records if one.id == id), None)
        if found is None:
            raise NotFound(
                f"There is no record of {id} in {self._folder}.",
                hint=f"Records are kept for {KEPT.days} days, by the controller that decided.",
            )
        return found

    def read(self, day: date) -> Day:
        """All records of a day (UTC), in order, with what became of each."""
        path = self._path(day)
        return _read(path.read_bytes().splitlines() if path.exists() else [])

    def days(self) -> list[date]:
        """The days of which there are records, oldest first."""
        stems = (path.stem for path in self._folder.glob("*.jsonl"))
        return sorted(date.fromisoformat(stem) for stem in stems if re.fullmatch(r"\d{4}-\d{2}-\d{2}", stem))

    def prune(self, today: date) -> list[date]:
        """Removes the days that are older than what is kept; gives them."""
        old = [day for day in self.days() if today - day > KEPT]
        for day in old:
            self._path(day).unlink(missing_ok=True)
        return old

    def _path(self, day: date) -> Path:
        return self._folder / f"{day.isoformat()}.jsonl"

    def _append(self, day: date, lines: list[Line]) -> int:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
        with os.fdopen(os.open(self._path(day), flags, 0o600), "r+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            size = os.fstat(file.fileno()).st_size
            kept = self._fitting(lines, size)
            texts = [_LINES.dump_json(line) for line in kept]
            torn = size > 0 and os.pread(file.fileno(), 1, size - 1) != b"\n"
            _write_whole(file.fileno(), b"\n" * torn + b"".join(text + b"\n" for text in texts))
            os.fsync(file.fileno())
        return len(lines) - len(kept)

    def _fitting(self, lines: list[Line], size: int) -> list[Line]:
        weighty = [line for line in lines if isinstance(line, OutcomeRecord) or line.decision.acts]
        if size < DAY_BYTES:
            return lines
        if weighty and size >= 2 * DAY_BYTES:
            raise PermanentError(
                f"The records of this day fill {size >> 20} MiB in {self._folder}: nothing more is written, nor done.",
                hint="See in them what is decided again and again, and pause that; move the file away to go on.",
            )
        return weighty


def _read(texts: Iterable[bytes]) -> Day:
    records: dict[str, DecisionRecord] = {}
    damaged = 0
    for text in texts:
        try:
            line = _LINES.validate_json(text)
        except ValueError:
            damaged += 1
            continue
        if isinstance(line, DecisionRecord):
            records[line.id] = line
        elif line.id in records:
            before = records[line.id]
            records[line.id] = replace(before, outcomes=(*before.outcomes, line))
        else:
            damaged += 1
    return Day(tuple(records.values()), damaged)


def _write_whole(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
