"""The droplet's own key: turned in two steps, with two API keys that are good in between.

Three files hold it, each written at once or not at all. `secret` is what the agent presents itself under.
`secret.former` is there while a turn is not confirmed: the API key of the one before is good as well, so that a
connection of a run that is under way is not cut off. `sealing` is the droplet's first secret, under which the secrets
of its containers lie on the disk: a turn opens and seals nothing anew. An agent takes up what the files say when it
starts; systemd starts it again.
"""

from __future__ import annotations

import hmac
import logging
import threading
from datetime import UTC, datetime

from agent import keys, wire
from agent.server.errors import Failure
from agent.server.secret_files import write_private
from agent.server.settings import Settings

log = logging.getLogger("agent")


class OwnKey:
    """The key of one droplet; any thread may call."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()

    def read(self) -> wire.KeyState:
        """Since when the droplet has its key, and whether the one before is still good."""
        with self._lock:
            return self._state()

    def turn(self, secret: str) -> bool:
        """Have the agent come back under this secret, with both API keys good; False when it has it already.

        Raises:
            Failure: 409 `turning`, another turn is not confirmed yet; nothing changes.
        """
        with self._lock:
            present = self._present()
            if secret == present:
                return False
            if self._former():
                message = f"{self._settings.droplet} is in the middle of another turn."
                raise Failure(409, "turning", message, "Confirm that one first.")
            if not self._settings.sealing_file.exists():
                write_private(self._settings.sealing_file, present.encode())
            write_private(self._settings.former_file, present.encode())
            write_private(self._settings.secret_file, secret.encode())
        log.info("the key was turned")
        return True

    def confirm(self, key: str) -> bool:
        """Forget the key before; False when there is none.

        Args:
            key: the API key of whoever asks, which has to be the present one: then that is proven to work.

        Raises:
            Failure: 409 `turning`, it is another; both stay good.
        """
        with self._lock:
            if not self._former():
                self._settings.former_file.unlink(missing_ok=True)
                return False
            if not hmac.compare_digest(key.encode(), keys.api_key(self._present()).encode()):
                message = f"The new key of {self._settings.droplet} is confirmed under that key alone."
                raise Failure(409, "turning", message, "Call again with the new key.")
            self._settings.former_file.unlink()
        log.info("the key before is forgotten")
        return True

    def _state(self) -> wire.KeyState:
        path = self._settings.secret_file
        since = path.stat().st_mtime if path.exists() else 0.0
        return wire.KeyState(since=datetime.fromtimestamp(since, UTC), turning=self._turning())

    def _turning(self) -> bool:
        """Whether this process takes two keys, or the next one will."""
        return bool(self._settings.former or self._former())

    def _present(self) -> str:
        path = self._settings.secret_file
        return path.read_text().strip() if path.exists() else self._settings.secret

    def _former(self) -> str:
        """The one before; empty when no turn is under way, as after a death before the first step was whole."""
        path = self._settings.former_file
        found = path.read_text().strip() if path.exists() else ""
        return "" if found == self._present() else found
