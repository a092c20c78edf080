"""The listening socket: how many may be at their TLS handshake at once, and when a connection counts as dead.

Nobody has shown anything before the handshake is done, so whoever reaches the port could hold any number of
connections in it. Where there are too many, the one that has been at it longest gives way.
"""

from __future__ import annotations

import gc
import socket
from typing import Any, Final

from agent.server.settings import Limits

_SWEEP: Final = 256
"""So many that gave way are swept up at once; see `serve.settle`."""
_DEAD_MILLISECONDS: Final = 120_000
"""How long the other end may leave what was sent to it unanswered, or unread."""
_LIFE_SIGNS: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _DEAD_MILLISECONDS),
)
"""A controller that vanished without a word (its network cut, its lid shut) frees the place of its stream."""


class Door(socket.socket):
    """Listens on an IPv4 address and port; raises OSError where it cannot."""

    def __init__(self, address: str, port: int, limits: Limits) -> None:
        super().__init__(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # else asyncio leaves Nagle's delay on
        self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.bind((address, port))
        self._limit = limits.handshakes
        self._waiting: dict[int, socket.socket] = {}
        self._gone = 0

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection, at its handshake from now on."""
        connection, peer = super().accept()
        for level, option, value in _LIFE_SIGNS:
            connection.setsockopt(level, option, value)
        self._waiting.pop(connection.fileno(), None)  # the number may have been another's
        self._waiting[connection.fileno()] = connection
        if len(self._waiting) > self._limit:
            self._make_place()
        return connection, peer

    def passed(self, number: int) -> None:
        """The connection with this file number has done its handshake."""
        self._waiting.pop(number, None)

    def _make_place(self) -> None:
        self._waiting = {number: one for number, one in self._waiting.items() if one.fileno() == number}
        while len(self._waiting) > self._limit:
            oldest = self._waiting.pop(next(iter(self._waiting)))
            self._gone += 1
            if self._gone % _SWEEP == 0:
                gc.collect()
            try:
                oldest.shutdown(socket.SHUT_RDWR)  # its transport finds the end, and closes it
            except OSError:
                continue  # the other end was first
