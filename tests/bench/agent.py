"""`make bench-agent`: how long `/node` takes while crowds are at the agent's port, and how much memory they cost.

The real agent's process with its own TLS and production limits, over a Docker in memory. While each crowd is there,
`/node` is asked a hundred times, one after the other, each time on a connection of its own.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from statistics import median, quantiles

from rich.console import Console
from rich.table import Table

from agent.server.settings import MIB
from tests.contract.agent.crowds import Crowd, Ends
from tests.contract.agent.process import Process, process
from tests.unit.agent.builders import NAME

LOOKS = 100
WRONG_KEYS = 10_000
AT_ONCE = 200
AT_MOST = 0.25
"""Seconds that `/node` may take at the 99th percentile."""
Scene = Callable[[Crowd], AbstractAsyncContextManager[Counter[str]]]
console = Console(highlight=False)


@asynccontextmanager
async def nobody(crowd: Crowd) -> AsyncIterator[Counter[str]]:
    """Nobody else."""
    yield Counter()


@asynccontextmanager
async def uploads(crowd: Crowd) -> AsyncIterator[Counter[str]]:
    """50 that upload 2 MiB each, again and again."""

    async def send(number: int) -> int:
        return await crowd.upload(number, 2 * MIB)

    async with repeated(50, send) as found:
        yield found


@asynccontextmanager
async def readers(crowd: Crowd) -> AsyncIterator[Counter[str]]:
    """100 that follow a log and read nothing."""

    async def follow(ends: Ends) -> int:
        ends[1].write(crowd.head("GET", f"/containers/{NAME}/logs?follow=true&tail=1"))
        return int((await ends[0].readline()).split()[1])

    async with crowd.held(100, follow) as found:
        yield Counter(map(str, found))


@asynccontextmanager
async def slow(crowd: Crowd) -> AsyncIterator[Counter[str]]:
    """100 that bring half a head."""

    async def begin(ends: Ends) -> str:
        ends[1].write(b"GET /node HTTP/1.1\r\nHost: ")
        return "begun"

    async with crowd.held(100, begin) as found:
        yield Counter(map(str, found))


@asynccontextmanager
async def silent(crowd: Crowd) -> AsyncIterator[Counter[str]]:
    """1,000 that begin no handshake."""
    async with crowd.silent(1000) as found:
        yield Counter({"connected": len(found)})


@asynccontextmanager
async def wrong_keys(crowd: Crowd) -> AsyncIterator[Counter[str]]:
    """10,000 wrong keys, 200 at once, from 200 addresses."""
    left = iter(range(WRONG_KEYS))

    async def knock(number: int) -> int | None:
        if next(left, None) is None:
            return None
        return await crowd.ask("GET", "/node", key="f" * 64, address=f"127.3.{number // 250}.{number % 250 + 1}")

    async with repeated(AT_ONCE, knock) as found:
        yield found


@asynccontextmanager
async def repeated(count: int, call: Callable[[int], object]) -> AsyncIterator[Counter[str]]:
    """So many that call again and again, until the block ends or one has nothing more to do."""
    over, found = asyncio.Event(), Counter[str]()

    async def one(number: int) -> None:
        while not over.is_set():
            status = await call(number)  # type: ignore[misc]  # each is a coroutine function
            if status is None:
                return
            found[str(status)] += 1

    calls = [asyncio.create_task(one(number)) for number in range(count)]
    try:
        yield found
    finally:
        over.set()
        await asyncio.gather(*calls)


SCENES: dict[str, Scene] = {
    str(scene.__doc__).strip("."): scene for scene in (nobody, uploads, readers, slow, silent, wrong_keys)
}


async def watch(crowd: Crowd, scene: Scene) -> tuple[list[float], Counter[str]]:
    """How long each look took while the crowd was there, and what the crowd was answered."""
    async with scene(crowd) as found:
        looks = [await crowd.seconds("/node") for _ in range(LOOKS)]
    return looks, found


def main() -> int:
    """All of it; the exit status is 1 when a crowd keeps `/node` longer than it may."""
    table = Table("crowd", "/node p50", "p99", "memory", "answers to the crowd", title="The agent among crowds")
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder, process(Path(folder)) as running:
        running.deploy(1)
        for title, scene in SCENES.items():
            looks, found = asyncio.run(watch(Crowd(running), scene))
            p99 = quantiles(looks, n=100)[-1]
            slowest = max(slowest, p99)
            table.add_row(title, f"{median(looks) * 1000:.0f} ms", f"{p99 * 1000:.0f} ms", memory(running), told(found))
    console.print(table)
    console.print(f"p99 at most {AT_MOST * 1000:.0f} ms wanted; the slowest was {slowest * 1000:.0f} ms.")
    return 0 if slowest <= AT_MOST else 1


def memory(running: Process) -> str:
    """Its memory now, and the most so far."""
    return f"{running.resident_bytes() // MIB} MiB (peak {running.peak_bytes() // MIB})"


def told(found: Counter[str]) -> str:
    """Answers and how often."""
    return ", ".join(f"{count} times {status}" for status, count in sorted(found.items())) or "none"


if __name__ == "__main__":
    sys.exit(main())
