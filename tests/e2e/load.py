"""Visitors: a loop that asks the edge continuously, and a websocket that stays open."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
from websockets.asyncio.client import connect

from tests.e2e.lab import EDGE_PORT, Lab

WORKERS = 8
PACE_SECONDS = WORKERS / 150
"""Each worker begins a request this often, which makes 150 a second."""


@dataclass
class Visit:
    """What the visitors saw."""

    statuses: dict[int, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    releases: set[str] = field(default_factory=set)
    websocket_broke: str = ""
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
    name = lab.host["Host"]
    try:
        async with connect(f"ws://{name}/ws", host="127.0.0.1", port=EDGE_PORT) as socket:
            while not stop.is_set():
                await asyncio.wait_for(socket.recv(), 15)
    except Exception as error:
        visit.websocket_broke = repr(error)
