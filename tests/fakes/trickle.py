"""Whoever answers so slowly that each byte comes in good time, and the answer does not."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from threading import Event, Thread

PACE_SECONDS = 0.05
BYTES = 60
HTTP = (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"\r\nContent-Length: 0\r\n\r\n")
SMTP = (b"220-", b"\r\n220 ready\r\n")
BODY = (b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n", b"")


class Trickle:
    """A server that says `answer[0]` at once, a byte each 50 ms for three seconds, then `answer[1]`: a good answer.

    So whoever waits for each byte alone is answered well in the end, and only a bound on the whole finds it too slow.
    """

    def __init__(self, answer: tuple[bytes, bytes] = HTTP, asked: Callable[[], None] = lambda: None) -> None:
        self._answer, self._asked, self._ended = answer, asked, Event()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address: str = "127.0.0.1"
        self.port: int = self._socket.getsockname()[1]
        self._threads = [Thread(target=self._serve, daemon=True)]
        self._threads[0].start()

    def url(self, path: str = "/") -> str:
        """Its address."""
        return f"http://{self.address}:{self.port}{path}"

    def __enter__(self) -> Trickle:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return  # closed
            self._threads.append(Thread(target=self._trickle, args=(connection,), daemon=True))
            self._threads[-1].start()

    def _trickle(self, connection: socket.socket) -> None:
        begin, end = self._answer
        self._asked()
        with connection, contextlib.suppress(OSError):  # whoever asked has gone
            connection.sendall(begin)
            for _ in range(BYTES):
                if self._ended.wait(PACE_SECONDS):
                    return
                connection.sendall(b".")
            connection.sendall(end)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass
