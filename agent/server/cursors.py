"""How far each observer has read each container's log, so that none hides an error from another.

A cursor is the time of the last line that was read and the digests of the last few: by these the place is found again
although Docker gives lines by the second, two have the same time, or the clock was set. Cursors are kept on the disk:
an agent that begins anew neither tells an error twice nor forgets one that was written while it was away.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from agent.server.ports import LogEntry
from agent.server.secret_files import write_private

OBSERVERS: Final = 64
"""So many of the latest are remembered; one that was forgotten reads the last ten minutes again."""
MARKS: Final = 16
"""Lines by which the place is found again."""
log = logging.getLogger("agent")


@dataclass(frozen=True)
class Cursor:
    """A place in the log of one container of a service."""

    service: str
    at: datetime
    """The time of the last line that was read; before any was, since when lines count."""
    marks: tuple[str, ...] = ()
    """The digests of the last lines, oldest first; empty before any was read."""
    latest: datetime | None = None
    """The latest time of any line that was read; later than that of the last one where the clock was set back."""
    owed: bool = False
    """It was the current one, and what it writes to its end is still to be told."""

    def after(self, entries: Sequence[LogEntry]) -> Cursor:
        """The place behind these lines; without any, the marks are of no use any more."""
        times = [entry.at for entry in entries]
        marks = tuple(mark(entry) for entry in entries[-MARKS:])
        return replace(self, at=times[-1] if times else self.at, marks=marks, latest=max([*times, self._latest]))

    def in_order(self, now: datetime, slack: timedelta) -> bool:
        """Whether lines after the place have later times than those before it, as far as anybody knows."""
        return self.at <= now + slack and self._latest <= self.at + slack

    @property
    def _latest(self) -> datetime:
        return self.latest or self.at

    def unread(self, entries: Sequence[LogEntry], *, in_order: bool = True) -> tuple[int, bool]:
        """Where in these lines the unread ones begin, and whether the place itself was not among them.

        Args:
            entries: lines from a moment before the place on, in their order.
            in_order: whether times say what comes after what; otherwise all are unread when the place is not found.
        """
        marks = set(self.marks)
        known = [number for number, entry in enumerate(entries) if mark(entry) in marks] if marks else []
        if known:
            return known[-1] + 1, False
        later = (number for number, entry in enumerate(entries) if not in_order or entry.at > self.at)
        return next(later, len(entries)), bool(marks)


def mark(entry: LogEntry) -> str:
    """A line's digest."""
    told = f"{entry.at.isoformat()} {entry.stream} {entry.text}"
    return hashlib.blake2b(told.encode(errors="replace"), digest_size=8).hexdigest()


_FILE: Final = TypeAdapter(dict[str, dict[str, Cursor]])


class Cursors:
    """The cursors of all observers; safe for threads.

    Args:
        path: where `save` keeps them; None: nowhere.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._path = path
        self._seen = OrderedDict(_read(path) if path else {})
        self._kept = self._copy()

    def get(self, observer: str, container: str) -> Cursor | None:
        """An observer's place in a container's log, by the container's id; None: it has not read there."""
        with self._lock:
            return self._seen.get(observer, {}).get(container)

    def put(self, observer: str, container: str, before: Cursor | None, after: Cursor) -> None:
        """Move on, unless another check of the same observer has moved on from `before` meanwhile."""
        with self._lock:
            known = self._seen.setdefault(observer, {})
            if known.get(container) == before:
                known[container] = after
            self._seen.move_to_end(observer)
            if len(self._seen) > OBSERVERS:
                self._seen.popitem(last=False)

    def save(self) -> None:
        """Keep them on the disk, if any has moved; a disk that takes nothing is told, and they are kept in memory."""
        with self._lock:
            now = self._copy()
            if self._path is None or now == self._kept:
                return
            try:
                write_private(self._path, _FILE.dump_json(now))
            except OSError as error:
                log.warning("how far logs were read could not be written", extra={"fields": {"reason": str(error)}})
            else:
                self._kept = now

    def owed(self, observer: str, service: str) -> dict[str, Cursor]:
        """The containers of a service, by id, whose ends this observer has not been told of."""
        with self._lock:
            known = self._seen.get(observer, {})
            return {id: one for id, one in known.items() if one.service == service and one.owed}

    def drop(self, observer: str, container: str) -> None:
        """Forget a place."""
        with self._lock:
            self._seen.get(observer, {}).pop(container, None)

    def keep(self, containers: Iterable[str], services: Iterable[str]) -> None:
        """Forget containers that are gone, once their services are or nothing of them is owed."""
        there, known = set(containers), set(services)
        with self._lock:
            for observer, places in self._seen.items():
                self._seen[observer] = {
                    id: one for id, one in places.items() if id in there or (one.owed and one.service in known)
                }

    def _copy(self) -> dict[str, dict[str, Cursor]]:
        return {observer: dict(places) for observer, places in self._seen.items()}


def _read(path: Path) -> dict[str, dict[str, Cursor]]:
    """The file; without one that can be read, everybody reads the last ten minutes."""
    try:
        return _FILE.validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError) as error:
        log.warning("how far logs were read cannot be read", extra={"fields": {"reason": type(error).__name__}})
        return {}
