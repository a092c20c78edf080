"""The agent's part of a drill: whether it may be, and what becomes of it. systemd runs what carries it out.

That is no part of the agent: the agent itself may be what is killed, and the fault must end all the same.
"""

from __future__ import annotations

import json
import logging
import subprocess
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from agent import wire
from agent.server.errors import Failure
from agent.server.injection import ENDED, ORDERED, TOLD
from agent.server.leases import Moment, moment
from agent.server.secret_files import write_private
from agent.server.settings import Settings

COMMAND_SECONDS: Final = 30
LOST_SECONDS: Final = 300
PERMISSION: Final = "drills.json"
UNDER_WAY: Final = frozenset({"ordered", "running"})
log = logging.getLogger("agent")


class Drills:
    """The drills of one droplet; a permission ends with its time, with a boot, or when it is taken back."""

    def __init__(self, settings: Settings, clock: Callable[[], Moment] | None = None) -> None:
        self._run, self._state, self._command = settings.run, settings.state, settings.drill_command
        self._clock = clock or moment
        self._lock = threading.Lock()

    def read(self) -> wire.Drill:
        """The last one, and whether another may begin."""
        try:
            told = wire.Drill.model_validate({**self._ordered(), **_content(self._run / TOLD)})
        except ValidationError:  # written by a version that knows more
            told = wire.Drill()
        if told.phase in UNDER_WAY and _is_lost(told, datetime.now(UTC)):
            told = told.model_copy(update={"phase": "failed", "reason": "nothing was heard of it any more"})
        return told.model_copy(update={"allowed": self._allowed()})

    def allow(self, body: wire.DrillPermission) -> wire.Drill:
        """Let drills begin for so long."""
        now = self._clock()
        kept = {"boot": now.boot, "until": now.elapsed + body.seconds}
        write_private(self._state / PERMISSION, json.dumps(kept).encode())
        log.info("drills allowed", extra={"fields": {"seconds": body.seconds}})
        return self.read()

    def begin(self, order: wire.DrillOrder) -> wire.Drill:
        """Have the fault happen; it goes on by itself, and ends by itself.

        Raises:
            Failure: 403 `drills_off`, 409 `busy` (one is under way), 502 `drill` (systemd did not start it).
        """
        with self._lock:
            if not self._allowed():
                hint = "They are off unless the environment's runs allow them for a while: use the flow `drill`."
                raise Failure(403, "drills_off", "No drill may begin on this droplet.", hint)
            if (now := self.read()).phase in UNDER_WAY:
                raise Failure(409, "busy", f"A drill is under way: {now.fault}, by {now.holder}.", "Wait for its end.")
            for name in (TOLD, ENDED):
                (self._run / name).unlink(missing_ok=True)
            began = datetime.now(UTC).isoformat()
            write_private(self._run / ORDERED, json.dumps({"began_at": began, **order.model_dump()}).encode())
            self._start()
        log.warning("drill", extra={"fields": {"fault": order.fault, "holder": order.holder}})
        return self.read()

    def end(self) -> wire.Drill:
        """Have the fault undone now; one that is over is fine."""
        if self.read().phase in UNDER_WAY:
            write_private(self._run / ENDED, b"")
        return self.read()

    def _start(self) -> None:
        try:
            subprocess.run(self._command, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            (self._run / ORDERED).unlink(missing_ok=True)
            said = (getattr(error, "stderr", "") or str(error)).strip()
            hint = "Drills need a base snapshot that has them: bake one, and `roll` the droplet to it."
            raise Failure(502, "drill", f"The drill did not start: {said}", hint) from error

    def _allowed(self) -> bool:
        kept, now = _content(self._state / PERMISSION), self._clock()
        return kept.get("boot") == now.boot and kept.get("until", 0.0) > now.elapsed

    def _ordered(self) -> dict[str, Any]:
        found = _content(self._run / ORDERED)
        return {**found, "phase": "ordered"} if found else {}


def _is_lost(told: wire.Drill, now: datetime) -> bool:
    """Whether it should have ended long ago: longer than systemd would let it go on."""
    return told.began_at is not None and (now - told.began_at).total_seconds() > told.seconds + LOST_SECONDS


def _content(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError):
        return {}
