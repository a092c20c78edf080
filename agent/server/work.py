"""Blocking work off the event loop: a bounded pool of threads, a lock per service, and streams pumped across."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Generic, ParamSpec, TypeVar

from agent.server.errors import Failure
from agent.server.ports import Stream

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 32
STREAMS = 8
"""Logs, builds and archives that may flow at once; each holds a thread while it waits."""


class Work:
    """Runs blocking calls. One service is changed by one call at a time; others wait `lock_seconds` for it."""

    def __init__(self, lock_seconds: float) -> None:
        self._lock_seconds = lock_seconds
        self._locks: dict[str, asyncio.Lock] = {}
        self._pool = ThreadPoolExecutor(THREADS, "work")
        self._streams = 0

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call it in a thread of the pool."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(function, *args, **kwargs))

    @asynccontextmanager
    async def exclusive(self, service: str) -> AsyncIterator[None]:
        """Hold the lock of a service.

        Raises:
            Failure: 409 `busy`, another call still holds it after `lock_seconds`.
        """
        lock = self._locks.setdefault(service, asyncio.Lock())
        try:
            await asyncio.wait_for(lock.acquire(), self._lock_seconds)
        except TimeoutError:
            message = f"Another call has been changing {service} for {self._lock_seconds:g} s."
            raise Failure(409, "busy", message, "Try again when it is over.") from None
        try:
            yield
        finally:
            lock.release()

    def busy(self, service: str) -> bool:
        """Whether a call is changing the service; for any thread."""
        lock = self._locks.get(service)
        return lock is not None and lock.locked()

    async def pump(self, stream: Stream[T], close: Callable[[], None] | None = None) -> AsyncIterator[T]:
        """The items of a blocking stream, which is closed when they end, or when nobody wants them any more."""
        try:
            while (item := await self.call(_next, stream)) is not None:
                yield item[0]
        finally:
            (close or stream.close)()

    @asynccontextmanager
    async def stream_slot(self) -> AsyncIterator[None]:
        """One of the few places for a stream.

        Raises:
            Failure: 503 `busy`, all are taken.
        """
        if self._streams >= STREAMS:
            raise Failure(503, "busy", f"{STREAMS} streams flow already.", "Try again when one has ended.")
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1

    def later(self, function: Callable[[], None]) -> None:
        """Call it in a thread some time soon."""
        self._pool.submit(function)


class Pumped(Generic[T]):
    """A generator as a stream: `close` waits for the thread that is inside it, and then runs its clean-up."""

    def __init__(self, items: Generator[T, None, None]) -> None:
        self._items = items
        self._lock = threading.Lock()

    def __iter__(self) -> Pumped[T]:
        """Itself."""
        return self

    def __next__(self) -> T:
        """The next item."""
        with self._lock:
            return next(self._items)

    def close(self) -> None:
        """Run the generator's clean-up; call it in a thread, for it may wait."""
        with self._lock:
            self._items.close()


def _next(stream: Stream[T]) -> tuple[T] | None:
    """In a tuple, because StopIteration cannot cross into a coroutine."""
    try:
        return (next(stream),)
    except StopIteration:
        return None
