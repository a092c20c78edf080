"""One deadline for a whole conversation over a socket, with the standard library alone.

A socket's own timeout bounds each wait for a byte, so whoever sends a byte now and then is waited for without end.
"""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Final

SHORTEST: Final = 0.001
"""Seconds: to a socket, none at all would mean that it never waits."""


class Deadline:
    """The moment at which something has to be over, `seconds` from now, by a clock that nobody sets."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def is_over(self) -> bool:
        """Whether it has come."""
        return time.monotonic() >= self._end

    def left(self) -> float:
        """Seconds until then. Raises TimeoutError when there are none."""
        if self.is_over:
            raise TimeoutError("timed out")
        return max(self._end - time.monotonic(), SHORTEST)


def connect(host: str, port: int, deadline: Deadline) -> socket.socket:
    """A connection to the first address of a host that takes one; for a name the resolver has bounds of its own.

    Raises:
        OSError: none did; TimeoutError where the deadline is over.
    """
    refused: OSError | None = None
    for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        try:
            return socket.create_connection((str(address[0]), port), deadline.left())
        except OSError as error:
            refused = error
    raise refused or OSError("it has no address")


@contextmanager
def cut(connection: socket.socket, deadline: Deadline) -> Iterator[None]:
    """Ends the connection at the deadline, whatever then waits on it, in the middle of a TLS record too.

    Raises:
        TimeoutError: the deadline came first; what the block read by then may be half of something.
    """
    connection.settimeout(deadline.left())
    over = threading.Event()
    with closing(connection.dup()) as twin:  # a TLS wrapper takes the original away, and closes it

        def end() -> None:
            over.set()
            with suppress(OSError):  # the other end was faster
                twin.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(deadline.left(), end)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (OSError, http.client.HTTPException) as error:
            if over.is_set() or deadline.is_over:
                raise TimeoutError("timed out") from error
            raise
        finally:
            timer.cancel()
            timer.join()
    if over.is_set():
        raise TimeoutError("timed out")
