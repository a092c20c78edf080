"""What became of the runs of scheduled containers: JSON lines, one file a service, written by `deployer-cron` alone.

A run is appended when it is about to start and again when it has ended; of two lines for the same time and container
the later one holds. A line is on the disk before its writer goes on. A torn last line, from a sudden death, is passed
over. Beside it is kept since when the present container has been watched, so that a miss is told from a beginning.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from agent import wire

KEPT: Final = 1000
"""Runs that are kept of each service."""
_LINES: Final = 3 * KEPT


class Runs:
    """The records of all services under the agent's state directory."""

    def __init__(self, state: Path) -> None:
        self._folder = state / "runs"

    def read(self, name: str, limit: int = KEPT) -> tuple[wire.JobRun, ...]:
        """The latest runs, newest first."""
        return tuple(reversed(_merged(self._lines(name))))[:limit]

    def append(self, name: str, run: wire.JobRun) -> None:
        """Add what is known of a run now."""
        lines = self._lines(name)
        if len(lines) >= _LINES:
            kept = _merged(lines)[-KEPT:]
            _write(self._file(name), b"".join(_line(one) for one in [*kept, run]))
        else:
            _append(self._file(name), _line(run))

    def watched(self, name: str) -> tuple[str, datetime] | None:
        """The container (its id) that is watched, and since when."""
        try:
            found = json.loads(self._mark(name).read_bytes())
            return str(found["container"]), datetime.fromisoformat(found["since"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def watch(self, name: str, container: str, since: datetime) -> None:
        """Remember it."""
        _write(self._mark(name), json.dumps({"container": container, "since": since.isoformat()}).encode())

    def names(self) -> frozenset[str]:
        """The services that have records."""
        return frozenset(path.stem for path in self._folder.glob("*.json*") if not path.name.startswith("."))

    def remove(self, name: str) -> bool:
        """Forget a service; says whether there was anything."""
        found = [path for path in (self._file(name), self._mark(name)) if path.exists()]
        for path in found:
            path.unlink(missing_ok=True)
        return bool(found)

    def _lines(self, name: str) -> list[bytes]:
        try:
            return self._file(name).read_bytes().splitlines()
        except FileNotFoundError:
            return []

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.jsonl"

    def _mark(self, name: str) -> Path:
        return self._folder / f"{name}.json"


def _merged(lines: Iterable[bytes]) -> list[wire.JobRun]:
    """The runs in the order in which they began."""
    found: dict[tuple[datetime, str], wire.JobRun] = {}
    for line in lines:
        try:
            run = wire.JobRun.model_validate_json(line)
        except ValidationError:
            continue  # torn, or from another version
        found[run.scheduled_for, run.container] = run
    return list(found.values())


def _line(run: wire.JobRun) -> bytes:
    return run.model_dump_json(exclude_defaults=True).encode() + b"\n"


def _append(path: Path, line: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = not path.exists()
    with os.fdopen(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), "r+b") as file:
        file.write(line if _ends_well(file.fileno()) else b"\n" + line)
        file.flush()
        os.fsync(file.fileno())
    if new:
        _sync_folder(path.parent)


def _ends_well(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"


def _write(path: Path, content: bytes) -> None:
    """At once or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
