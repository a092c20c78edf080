"""What became of a decision: written into what is remembered and into its record, once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from prefect import get_run_logger
from prefect.runtime import flow_run

from blocks.environment import Environment
from fleet.errors import PermanentError
from fleet.remediation import moments
from fleet.remediation.advance import Outcome
from fleet.remediation.folders import Folder
from fleet.remediation.records import DecisionRecord, OutcomeRecord
from fleet.remediation.rounds import bury, conclude
from tasks.agents import Leased
from tasks.healing import news, showing
from tasks.locks import Lock
from tasks.policy import SIGNALS, reason


class Overruled(PermanentError):
    """Nothing more is done by itself: a person came first, or it is not as it was when it was decided."""


@dataclass
class Told:
    """What a step tells while it is carried out."""

    detail: str = ""
    successor: int | None = None
    resources: list[str] = field(default_factory=list)
    fencing: dict[str, int] = field(default_factory=dict)

    def note(self, *locks: Lock) -> None:
        """The locks under which it is carried out."""
        for lock in locks:
            self.fencing |= lock.fencing


@contextmanager
def told(folder: Folder, record: DecisionRecord, environment: Environment) -> Iterator[Told]:
    """Writes down what became of a decision, however the block ends, unless the process is killed.

    Where a person came first it is cancelled, and the run ends well; any failure is `unhelpful`, and goes on.
    """
    made = Told()
    try:
        yield made
    except (Overruled, Leased) as error:
        if isinstance(error, Leased) and error.holder.startswith(f"remediate {record.id} "):
            get_run_logger().warning("Another run carries out %s, or did until just now: %s", record.id, error.message)
            return  # nothing is said of it: that run says it, or the next one, once the lock is over
        get_run_logger().warning("Nothing more is done: %s", error.message)
        tell(folder, record, Outcome(record.id, "cancelled", error.message), made.fencing)
    except SIGNALS:
        tell(folder, record, Outcome(record.id, "cancelled", "its run was cancelled"), made.fencing)
        raise
    except Exception as error:
        _end(folder, record, _outcome("unhelpful", record, made, reason(error)), made, environment)
        raise
    else:
        _end(folder, record, _outcome("helped", record, made, made.detail), made, environment)


def tell(folder: Folder, record: DecisionRecord, outcome: Outcome, fencing: Mapping[str, int] | None = None) -> None:
    """Writes an outcome down: in what is remembered, in the record, and in the artifact. Twice is the same as once."""
    with folder.locked():
        now = moments.read_moment()
        memory = conclude(folder.read_memory(), record.decision.target, record.decision, outcome, now)
        if outcome.word == "helped" and record.decision.action == "replace":
            memory = bury(memory, record.decision.target.droplet)
        folder.write_memory(memory)
        line = OutcomeRecord(record.id, outcome, now, str(flow_run.id or ""), dict(fencing or {}))
        folder.records.write([line])
    showing.show(replace(record, outcomes=(*record.outcomes, line)))


def _end(folder: Folder, record: DecisionRecord, outcome: Outcome, made: Told, environment: Environment) -> None:
    """Writes it down, and tells people."""
    tell(folder, record, outcome, made.fencing)
    news.tell_end(record, outcome, moments.read_moment(), environment)


def _outcome(word: str, record: DecisionRecord, made: Told, detail: str) -> Outcome:
    now = moments.read_moment()
    return Outcome(
        decision=record.id,
        word="helped" if word == "helped" else "unhelpful",
        detail=detail,
        successor=made.successor,
        resources=tuple(made.resources),
        healthy_after=now.since(record.at) if word == "helped" else None,
    )
