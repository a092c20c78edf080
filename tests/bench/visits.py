"""The steady load of `make bench-traffic`, and what its visitors see."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.e2e.lab import Lab

RATE = 200
SOCKETS = 6
SILENT_SECONDS = 15.0
"""A websocket that sends nothing for so long is broken: the example sends each second."""
UPLOAD_CHUNKS, CHUNK = 8, b"x" * 65_536
CHUNK_SECONDS = 0.5
PATIENCE_SECONDS = 60.0


@dataclass
class Counts:
    """What the visitors of one phase saw."""

    name: str
    expected: int = 1
    """How many releases they have to see."""
    leaves: bool = False
    """Whether every container ends in it, so that websockets are told to go."""
    seconds: float = 0.0
    begun: Counter[str] = field(default_factory=Counter)
    """Requests that were begun, by their kind."""
    kinds: Counter[str] = field(default_factory=Counter)
    """Those that were answered; of websockets, those that were told to go."""
    failures: list[str] = field(default_factory=list)
    releases: set[str] = field(default_factory=set)


class Load:
    """A steady load on the edge, in a thread of its own; `counts` may be exchanged while it goes on."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self.counts = Counts("before")

    @contextmanager
    def running(self) -> Iterator[None]:
        """The load goes on while the block runs; what is in flight at its end is waited for.

        Raises:
            RuntimeError: it ended before, or did not end: nothing that was counted says anything.
        """
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join(2 * PATIENCE_SECONDS)
        if self._error is not None or thread.is_alive():
            raise RuntimeError("the load did not go on to the end") from self._error

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:  # told to the thread that measures
            self._error = error

    async def _main(self) -> None:
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
        timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=self._lab.host) as session:
            await asyncio.gather(
                self._pace(session, 1 / RATE, self._short),
                self._pace(session, 1, self._slow),
                self._pace(session, 1, self._upload),
                *(self._stay(session) for _ in range(SOCKETS)),
            )

    async def _pace(self, session: aiohttp.ClientSession, every: float, ask: Callable[..., Any]) -> None:
        """Begins a request each `every` seconds, whatever became of those before it."""
        loop, begun = asyncio.get_running_loop(), set[asyncio.Task[None]]()
        due = loop.time()
        while not self._stop.is_set():
            task = asyncio.create_task(ask(session, self.counts))
            begun.add(task)
            task.add_done_callback(begun.discard)
            due += every
            await asyncio.sleep(max(0.0, due - loop.time()))
        await asyncio.gather(*begun)

    async def _short(self, session: aiohttp.ClientSession, counts: Counts) -> None:
        await self._ask("short", counts, session.get(f"{self._lab.url}/json"))

    async def _slow(self, session: aiohttp.ClientSession, counts: Counts) -> None:
        await self._ask("slow", counts, session.get(f"{self._lab.url}/slow"))

    async def _upload(self, session: aiohttp.ClientSession, counts: Counts) -> None:
        await self._ask("upload", counts, session.post(f"{self._lab.url}/upload", data=_trickle()))

    async def _stay(self, session: aiohttp.ClientSession) -> None:
        """A page that is open: its websocket comes back each time that it is told to go."""
        while not self._stop.is_set():
            try:
                if await self._listen(session):
                    self.counts.kinds["socket"] += 1
            except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as error:
                self.counts.failures.append(f"socket: {error!r}")
                await asyncio.sleep(1)

    async def _listen(self, session: aiohttp.ClientSession) -> bool:
        """One websocket; says whether the other side ended it in order.

        Raises:
            ValueError: it ended otherwise.
        """
        async with session.ws_connect(f"{self._lab.url}/ws") as socket:
            self.counts.begun["socket"] += 1
            while not self._stop.is_set():
                message = await socket.receive(SILENT_SECONDS)
                if message.type is not aiohttp.WSMsgType.TEXT:
                    break
                self.counts.releases.add(message.json()["release"])
            else:
                return False
        if socket.close_code != aiohttp.WSCloseCode.GOING_AWAY:
            raise ValueError(f"it ended with {socket.close_code}")
        return True

    async def _ask(self, kind: str, counts: Counts, request: Any) -> None:
        counts.begun[kind] += 1
        try:
            async with request as reply:
                document = await reply.json()
                counts.releases.add(document["release"])
                if reply.status != 200:
                    raise RuntimeError(f"status {reply.status}")
            counts.kinds[kind] += 1
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, RuntimeError) as error:
            counts.failures.append(f"{kind}: {error!r}")


async def _trickle() -> AsyncIterator[bytes]:
    for _ in range(UPLOAD_CHUNKS):
        yield CHUNK
        await asyncio.sleep(CHUNK_SECONDS)
