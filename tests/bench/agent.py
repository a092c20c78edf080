"""`make bench-agent`: how long `/node` takes while crowds are at the agent's port, and how much memory they cost.

The real agent's process with its own TLS and production limits, over a Docker in memory. While each crowd is there,
`/node` is asked a hundred times, one after the other, each time on a connection of its own. The crowd is a process of
its own, so that what it costs itself is not taken for the agent's slowness; on a machine of two cores it is, in part.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path
from statistics import median, quantiles

from rich.console import Console
from rich.table import Table

from agent.server.settings import MIB
from tests.contract.agent.crowds import PATIENCE, Crowd, Ends, Known
from tests.contract.agent.process import Process, chosen, process
from tests.unit.agent.builders import NAME

LOOKS = 100
WRONG_KEYS = 10_000
AT_ONCE = 200
RETRY_AFTER = 2.0
AT_MOST = 0.25
"""Seconds that `/node` may take at the 99th percentile."""
Look = tuple[int, float]
Scene = Callable[[Crowd], AbstractAsyncContextManager[Counter[str]]]
console = Console(highlight=False)


@asynccontextmanager
async def nobody(crowd: Crowd) -> AsyncIterator[Counter[str]]:
    """Nobody else."""
    yield Counter()


@asynccontextmanager
async def uploads(crowd: Crowd) -> AsyncIterator[Counter[str]]:
    """50 that upload 2 MiB each, again and again, and wait as they are told where there is no place."""

    async def send(number: int) -> int:
        status = await crowd.upload(number, 2 * MIB)
        if status != HTTPStatus.OK:
            await asyncio.sleep(RETRY_AFTER)
        return status

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
    """Wrong keys, 200 at once from 200 addresses, up to 10,000."""
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


def watch(running: Process, title: str) -> tuple[list[Look], Counter[str]]:
    """How long each look took while the crowd was there, in a process of its own, and what the crowd was answered."""
    processes = multiprocessing.get_context("spawn")
    there, over, told = processes.Event(), processes.Event(), processes.Queue()
    place = running.settings.state.parent, running.port
    crowd = processes.Process(target=gather, args=(title, place, there, over, told))
    crowd.start()
    try:
        there.wait(PATIENCE)
        taken = asyncio.run(looks(Crowd(running)))
        over.set()
        return taken, told.get(timeout=PATIENCE)
    finally:
        over.set()
        crowd.join(PATIENCE)


async def looks(crowd: Crowd) -> list[Look]:
    """The status and seconds of each look, one after the other."""
    return [await crowd.timed("/node") for _ in range(LOOKS)]


def gather(title: str, place: tuple[Path, int], there: Event, over: Event, told: Queue[Counter[str]]) -> None:
    """A crowd at an agent's port, until it is over; tells what it was answered."""

    async def stay() -> Counter[str]:
        async with SCENES[title](Crowd(Known(chosen(place[0]), place[1]))) as found:
            there.set()
            await asyncio.to_thread(over.wait)
        return found

    told.put(asyncio.run(stay()))


def main() -> int:
    """All of it; the exit status is 1 when a crowd keeps `/node` longer than it may."""
    table = Table(
        "crowd", "/node p50", "p99", "refused", "memory", "answers to the crowd", title="The agent among crowds"
    )
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder, process(Path(folder)) as running:
        running.deploy(1)
        for title in SCENES:
            looked, found = watch(running, title)
            taken = [seconds for status, seconds in looked if status == HTTPStatus.OK]
            p99 = quantiles(taken, n=100)[-1]
            slowest = max(slowest, p99)
            figures = (f"{median(taken) * 1000:.0f} ms", f"{p99 * 1000:.0f} ms", str(LOOKS - len(taken)))
            table.add_row(title, *figures, memory(running), told(found))
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
