"""The second nginx of a droplet in memory."""

from __future__ import annotations

from agent.server.peers_conf import Configuration
from agent.server.peers_nginx import ProxyError


class FakeProxy:
    """The port `agent.server.peers_nginx.Proxy` in memory.

    `refusing` (a reason) makes it refuse every configuration; `applied` has all that it took, the last one is in use
    unless it is `down`.
    """

    def __init__(self) -> None:
        self.applied: list[Configuration] = []
        self.refusing = ""
        self.down = False

    def in_use(self) -> str:
        """The digest of the last one."""
        return "" if self.down or not self.applied else self.applied[-1].digest

    def apply(self, wanted: Configuration) -> None:
        """Take it, and come back to life by it."""
        if self.refusing:
            raise ProxyError(self.refusing)
        self.applied.append(wanted)
        self.down = False
