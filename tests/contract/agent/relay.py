"""A way to a port that breaks after so many bytes."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator


class Relay:
    """Forwards to a port of this machine, each connection until `cut_after` bytes went there, if that is set.

    `sent` has what each connection carried there.
    """

    def __init__(self, target: int) -> None:
        self.cut_after: int | None = None
        self.sent: list[int] = []
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    def close(self) -> None:
        """No more connections; those that are there have ended."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(20)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._target))
            self.sent.append(0)
            pair = [
                threading.Thread(target=self._there, args=(near, far, len(self.sent) - 1)),
                threading.Thread(target=self._back, args=(far, near)),
            ]
            self._threads += pair
            for thread in pair:
                thread.start()

    def _there(self, near: socket.socket, far: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError):
            while content := near.recv(1 << 14):
                far.sendall(content)
                self.sent[number] += len(content)
                if self.cut_after is not None and self.sent[number] >= self.cut_after:
                    break
        self._end(near, far)

    def _back(self, far: socket.socket, near: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while content := far.recv(1 << 16):
                near.sendall(content)
        self._end(near, far)
        near.close()
        far.close()

    def _end(self, *sockets: socket.socket) -> None:
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def relay(target: int) -> Iterator[Relay]:
    """A running one."""
    made = Relay(target)
    try:
        yield made
    finally:
        made.close()
