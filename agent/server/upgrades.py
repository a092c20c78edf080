"""Another version of the agent: received here, put in place by `agent.guard`, which needs neither version.

While an upgrade is under way the whole droplet is locked: no lease of any service is given, as if its holder had them
all, and it is not begun while anybody holds one.
"""

from __future__ import annotations

import json
import logging
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

import agent
from agent import wire
from agent.server.errors import Failure
from agent.server.secret_files import write_private
from agent.server.settings import Settings

UNDER_WAY: Final = frozenset({"ordered", "installing", "trial", "proven"})
LONGEST_SECONDS: Final = 1200.0
"""Longer than the guard ever takes: an upgrade that has not moved since is over, whatever the file says."""
COMMAND_SECONDS: Final = 30
log = logging.getLogger("agent")


class Upgrades:
    """The upgrades of one droplet; what runs is noted once, because the link may lead elsewhere before this ends."""

    def __init__(self, settings: Settings) -> None:
        self._command = settings.upgrade_command
        self._folder = settings.state / "upgrade"
        self._installed = _installed(settings.home / "agent.json")

    @property
    def bundle(self) -> Path:
        """Where the archive of the next version goes."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self._folder / "bundle.tar"

    def read(self) -> wire.Upgrade:
        """What runs, and how far the last upgrade has come."""
        try:
            return wire.Upgrade.model_validate({**self._state(), "installed": self._installed})
        except ValidationError:  # written by a version that knows more
            return wire.Upgrade(installed=self._installed)

    def closed(self) -> Failure | None:
        """Why nobody gets a lease now; None when an upgrade is not what keeps them from it."""
        if not self._under_way():
            return None
        now = self.read()
        message = f"The agent is being upgraded to {now.version}, by {now.holder}."
        since = now.since.isoformat() if now.since else ""
        return Failure(409, "leased", message, "Wait until that run is over.", holder=now.holder, since=since)

    def begin(self, order: wire.UpgradeOrder, received: str) -> wire.Upgrade:
        """Have the archive that was received put in place; what follows needs this agent no more.

        Args:
            order: what was announced.
            received: the digest of what came.

        Raises:
            Failure: 422 `invalid` (another archive came), 502 `upgrade` (systemd did not start it); nothing changes.
        """
        if received != order.bundle:
            raise Failure(422, "invalid", "The archive is not the one that was announced.", "Send it again.")
        state = {**order.model_dump(), "phase": "ordered", "since": datetime.now(UTC).isoformat()}
        write_private(self._folder / "state.json", json.dumps(state).encode())
        try:
            subprocess.run(self._command, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            said = (getattr(error, "stderr", "") or str(error)).strip()
            failed = {**state, "phase": "failed", "reason": f"it could not be started: {said}"}
            write_private(self._folder / "state.json", json.dumps(failed).encode())
            raise Failure(502, "upgrade", f"The upgrade did not start: {said}", "Use a newer base snapshot.") from error
        log.info("upgrade ordered", extra={"fields": {"version": order.version, "holder": order.holder}})
        return self.read()

    def confirm(self, body: wire.Confirm) -> wire.Upgrade:
        """Keep the version that runs; once it is kept already, that is fine.

        Raises:
            Failure: 409 `conflict`, another version runs than the one to be kept.
        """
        now = self.read()
        if body.wheel != self._installed.wheel or (now.phase in UNDER_WAY and now.wheel != body.wheel):
            message = f"The version {self._installed.version} runs, which is not the one to be kept."
            raise Failure(409, "conflict", message, "GET /upgrade says what became of the other one.")
        if now.phase in UNDER_WAY:
            write_private(self._folder / "confirmed", body.wheel.encode())
        return now

    def _under_way(self) -> bool:
        return self._state().get("phase") in UNDER_WAY

    def _state(self) -> dict[str, Any]:
        path = self._folder / "state.json"
        try:
            found = json.loads(path.read_text())
            old = time.time() - path.stat().st_mtime > LONGEST_SECONDS
        except (OSError, ValueError):
            return {}
        if old and found.get("phase") in UNDER_WAY:
            return {**found, "phase": "failed", "reason": "nothing was heard of it any more"}
        return dict(found)


def _installed(path: Path) -> wire.Installed:
    """What the folder of the version says of itself."""
    try:
        noted = json.loads(path.read_text())
    except (OSError, ValueError):
        noted = {}
    return wire.Installed.model_validate({**noted, "version": agent.__version__})
