"""Visitors: a loop that asks the edge continuously, and a page whose websocket stays open and comes back at its end."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from tests.e2e.lab import EDGE_PORT, Lab

WORKERS = 8
PACE_SECONDS = WORKERS / 150
"""Each worker begins a request this often, which makes 150 a second."""
SILENT_SECONDS = 15.0
"""A websocket that sends nothing for so long is broken: the example sends each second."""
ABNORMAL = 1006
"""A websocket's end without a word."""


@dataclass
class Socket:
    """What was seen of one websocket."""

    releases: set[str] = field(default_factory=set)
    last: datetime | None = None
    """When its last message came."""
    ended: datetime | None = None
    """When it was closed by the other side; None: it was open when the visitors left."""
    code: int = 0
    """What it was closed with: 1001 where the container said that it goes."""


@dataclass
class Visit:
    """What the visitors saw."""

    statuses: dict[int, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    releases: set[str] = field(default_factory=set)
    sockets: list[Socket] = field(default_factory=list)
    """One after the other."""
    broke: str = ""
    """Why no websocket was open any more; empty: one always was."""
    seconds: float = 0.0

    @property
    def requests(self) -> int:
        """How many were answered."""
        return sum(self.statuses.values())


@contextmanager
def visitors(lab: Lab) -> Iterator[Visit]:
    """Visits the service while the block runs."""
    visit, stop = Visit(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_visit(lab, visit, stop)))
    began = time.monotonic()
    thread.start()
    try:
        yield visit
    finally:
        stop.set()
        thread.join(60)
        visit.seconds = time.monotonic() - began


async def _visit(lab: Lab, visit: Visit, stop: threading.Event) -> None:
    async with httpx.AsyncClient(base_url=lab.url, headers=lab.host, timeout=20) as client:
        await asyncio.gather(_listen(lab, visit, stop), *(_ask(client, visit, stop) for _ in range(WORKERS)))


async def _ask(client: httpx.AsyncClient, visit: Visit, stop: threading.Event) -> None:
    while not stop.is_set():
        began = time.monotonic()
        try:
            reply = await client.get("/json")
            visit.statuses[reply.status_code] = visit.statuses.get(reply.status_code, 0) + 1
            if reply.status_code == httpx.codes.OK:
                visit.releases.add(reply.json()["release"])
            else:
                visit.errors.append(f"{reply.status_code}: {reply.text[:200]}")
        except httpx.HTTPError as error:
            visit.errors.append(repr(error))
        await asyncio.sleep(max(0.0, PACE_SECONDS - (time.monotonic() - began)))


async def _listen(lab: Lab, visit: Visit, stop: threading.Event) -> None:
    try:
        while not stop.is_set():
            visit.sockets.append(Socket())
            await _stay(lab, visit.sockets[-1], stop)
    except (OSError, TimeoutError, ValueError, WebSocketException) as error:
        visit.broke = repr(error)


async def _stay(lab: Lab, seen: Socket, stop: threading.Event) -> None:
    """One websocket, until either side leaves."""
    async with connect(f"ws://{lab.host['Host']}/ws", host="127.0.0.1", port=EDGE_PORT) as socket:
        try:
            while not stop.is_set():
                facts = json.loads(await asyncio.wait_for(socket.recv(), SILENT_SECONDS))
                seen.releases.add(facts["release"])
                seen.last = datetime.now(UTC)
        except ConnectionClosed as closed:
            seen.ended, seen.code = datetime.now(UTC), closed.rcvd.code if closed.rcvd else ABNORMAL
