"""The pauses that controllers have handed over: kept on the disk, and told to every controller that asks.

They are for controllers; the droplet's own watchdog does not heed them. What a controller has not handed over again for
a day lapses: a controller that is gone for good pauses nothing for ever.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from agent import wire
from agent.server.errors import Failure
from agent.server.leases import Moment, moment
from agent.server.secret_files import write_private

LAPSE: Final = 86_400.0
"""Seconds."""
CONTROLLERS: Final = 50
log = logging.getLogger("agent")


class _Handed(BaseModel):
    model_config = ConfigDict(frozen=True)

    pauses: tuple[wire.Pause, ...]
    at: datetime


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True)

    controllers: dict[str, _Handed] = {}


class Pauses:
    """What is on the disk of one droplet; any thread may call.

    Args:
        path: the file.
        clock: the time, for tests; by the droplet's clock for people, as pauses outlive a reboot.
    """

    def __init__(self, path: Path, clock: Callable[[], Moment] | None = None) -> None:
        self._path, self._clock, self._lock = path, clock or moment, threading.Lock()
        self._kept = self._read()

    def replace(self, controller: str, wanted: wire.Pauses) -> tuple[wire.HeldPauses, ...]:
        """Takes all pauses of one controller in the place of those before; on the disk when this returns.

        Raises:
            Failure: 507 `disk`, they could not be written; those before are in force.
        """
        with self._lock:
            others = {name: one for name, one in self._fresh().items() if name != controller}
            if len(others) >= CONTROLLERS:
                message = f"{len(others)} controllers have handed over pauses."
                raise Failure(409, "conflict", message, "Those that nobody uses any more lapse within a day.")
            own = {controller: _Handed(pauses=wanted.pauses, at=self._clock().utc)} if wanted.pauses else {}
            kept = _Kept(controllers=others | own)
            try:
                write_private(self._path, kept.model_dump_json().encode())
            except OSError as error:
                message = f"The pauses could not be written: {error}"
                raise Failure(507, "disk", message, "Is the droplet's disk full? Those before are in force.") from error
            self._kept = kept
        return self.held()

    def held(self) -> tuple[wire.HeldPauses, ...]:
        """What is in force, by controller."""
        now = self._clock().utc
        return tuple(
            wire.HeldPauses(controller=name, pauses=one.pauses, seconds_ago=(now - one.at).total_seconds())
            for name, one in sorted(self._fresh().items())
        )

    def _fresh(self) -> dict[str, _Handed]:
        now = self._clock().utc
        return {name: one for name, one in self._kept.controllers.items() if (now - one.at).total_seconds() < LAPSE}

    def _read(self) -> _Kept:
        """The file; one that cannot be read is told, and written anew by the next controller."""
        try:
            return _Kept.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return _Kept()
        except ValidationError as error:
            log.error("the file of pauses cannot be read", extra={"fields": {"errors": error.error_count()}})
            return _Kept()
