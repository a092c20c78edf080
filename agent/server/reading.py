"""The errors that a container wrote: since an observer last looked, to its end, or during one run.

A check reads at most MOST_LINES lines and MOST_BYTES, the oldest unread ones first as far as the last MOST_LINES reach;
what it leaves, the next one reads. Whatever could not be read is a note: silence is never taken for health.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from agent.server import levels
from agent.server.cursors import Cursor, Cursors
from agent.server.patterns import Ignore
from agent.server.ports import Engine, EngineAbsent, EngineError, Instance, LogEntry

MOST_LINES: Final = 10_000
MOST_BYTES: Final = 1 << 20
FIRST_LOOK: Final = timedelta(minutes=10)
"""How far back an observer's first check reads."""
OVERLAP: Final = timedelta(seconds=1)
"""Lines of this long before the place are read again to find it: those of two streams come out of order."""
SET_BACK_LINES: Final = 1000
"""So many of the last are read when times are of no use."""
STARTING: Final = timedelta(seconds=5)
"""Docker notes a start when it is done: what the process writes first has an earlier time."""
LONGEST_SAMPLE: Final = 500


@dataclass(frozen=True)
class Found:
    """What the log had."""

    errors: int = 0
    sample: str = ""
    """The first error."""
    ignored: int = 0
    """Errors that match a pattern of the service's own."""
    notes: tuple[str, ...] = ()
    """What could not be read, or is not known."""

    def __add__(self, other: Found) -> Found:
        """Both together."""
        notes = (*self.notes, *other.notes)
        return Found(self.errors + other.errors, self.sample or other.sample, self.ignored + other.ignored, notes)

    def evidence(self, note: str = "") -> dict[str, str]:
        """In words; what there was nothing of is empty."""
        return {
            "errors": str(self.errors or ""),
            "log": self.sample,
            "ignored": str(self.ignored or ""),
            "note": "; ".join(filter(None, (note, *self.notes))),
        }


@dataclass(frozen=True)
class _Part:
    """Lines of a log, where the unread ones begin, whether the place was not among them, and whether there are more."""

    entries: list[LogEntry]
    start: int
    lost: bool
    cut: bool


@dataclass(frozen=True)
class Reader:
    """One observer's check of the logs of one service.

    Args:
        engine: Docker.
        cursors: everybody's places.
        observer: who looks.
        now: the droplet's time.
    """

    engine: Engine
    cursors: Cursors
    observer: str
    now: datetime

    def since_last(self, instance: Instance) -> Found:
        """What a container wrote since this observer's last check; at the first, in its last ten minutes."""
        before = self.cursors.get(self.observer, instance.id)
        begun = before or Cursor(instance.name, self._first(instance))
        owed = begun.owed or instance.role == "current"
        return self._read_on(instance, before, replace(begun, owed=owed))

    def ends(self, current: Instance, containers: Sequence[Instance]) -> Found:
        """What those that were current before wrote until they ended, and this observer has not been told.

        Args:
            current: the one that is current now.
            containers: all of the service.
        """
        there, found = {one.id: one for one in containers}, Found()
        for id, cursor in self.cursors.owed(self.observer, current.name).items():
            if id == current.id:
                continue
            if id not in there:
                self.cursors.drop(self.observer, id)
                note = f"the container before it is gone, with what it wrote after {cursor.at:%Y-%m-%d %H:%M:%S} UTC"
                found += Found(notes=(note,))
            elif there[id].stopped:
                found += self._end(there[id], cursor)
        return found

    def _end(self, ended: Instance, cursor: Cursor) -> Found:
        found = self._read_on(ended, cursor, cursor, ended=True)
        if not found.errors:
            return found
        note = f"of these errors, {found.errors} are of the container before it, release {ended.release}"
        return found + Found(notes=(note,))

    def _read_on(self, instance: Instance, before: Cursor | None, cursor: Cursor, *, ended: bool = False) -> Found:
        try:
            part = self._part(instance, cursor)
        except EngineError as error:
            return Found(notes=(f"the log could not be read: {error}",))
        after = replace(cursor.after(part.entries), owed=cursor.owed and (part.cut or not ended))
        self.cursors.put(self.observer, instance.id, before, after)
        found = count(part.entries, part.start, instance)
        if part.cut:
            return found + Found(notes=(_CUT,))
        gap = f"the log was rotated: lines after {cursor.at:%Y-%m-%d %H:%M:%S} UTC may be missing"
        return found + Found(notes=(gap,)) if part.lost else found

    def _part(self, instance: Instance, cursor: Cursor) -> _Part:
        """The lines from the place on, with some before it, by which it is known."""
        if not cursor.in_order(self.now, OVERLAP):
            entries, cut = read(self.engine, instance.id, None, SET_BACK_LINES)
            start, lost = cursor.unread(entries, in_order=False)
            return _Part(entries, start, lost, cut and lost)  # what is before the place was read before
        for overlap in (OVERLAP, timedelta(0)):  # of a flood, a second may be more than a check may read
            entries, cut = read(self.engine, instance.id, cursor.at - overlap)
            start, lost = cursor.unread(entries)
            if not cut or (start < len(entries) and not lost):
                break
        return _Part(entries, start, lost, cut)

    def _first(self, instance: Instance) -> datetime:
        began, back = instance.started_at, self.now - FIRST_LOOK
        return max(back, began - STARTING) if began and began <= self.now else back


_CUT: Final = f"more than {MOST_LINES} lines or {MOST_BYTES >> 20} MiB since the last check: not all were read"


def of_run(engine: Engine, instance: Instance, container: str, begin: datetime, end: datetime) -> Found:
    """What a run of a scheduled service wrote between two times, in whichever container it ran."""
    try:
        entries, cut = read(engine, container, begin)
    except EngineAbsent:
        return Found(notes=("its log went with its container",))
    except EngineError as error:
        return Found(notes=(f"the log could not be read: {error}",))
    found = count([entry for entry in entries if begin <= entry.at <= end], 0, instance)
    return found + Found(notes=(_CUT.replace("since the last check", "of that run"),)) if cut else found


def read(engine: Engine, container: str, since: datetime | None, most: int = MOST_LINES) -> tuple[list[LogEntry], bool]:
    """Lines of a container, by its id, and whether there are more; raises EngineError."""
    entries, size = list[LogEntry](), 0
    with closing(engine.logs(container, tail=most, since=since)) as stream:
        for entry in stream:
            entries.append(entry)
            size += len(entry.text)
            if size > MOST_BYTES:
                return entries, True
    return entries, len(entries) >= most


def count(entries: Sequence[LogEntry], start: int, instance: Instance) -> Found:
    """The errors that begin at or after the `start`th line; those before it only tell what belongs to them."""
    ignore = Ignore(instance.log.ignore)
    begun = [entries[one].text for one in levels.beginnings(entry.text for entry in entries) if one >= start]
    counted = [line for line in begun if not ignore(line)]
    notes = ("the patterns to ignore take too long: not all were applied",) if ignore.spent else ()
    sample = counted[0][:LONGEST_SAMPLE] if counted else ""
    return Found(len(counted), sample, len(begun) - len(counted), notes)
