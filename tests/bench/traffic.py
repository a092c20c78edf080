"""`make bench-traffic`: what visitors lose while releases and droplets change under a steady load.

Three droplets serve the example behind the sandbox's edge. Every second 200 short requests, one that takes five seconds
and one upload that takes four begin, whether or not earlier ones have ended, over kept-alive connections, while a
deploy, a rollback, a scale down and up, and an undeploy of one host go on. Nothing may fail.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console
from rich.table import Table

from blocks.environment import Environment
from blocks.service import Service
from blocks.snapshot import Snapshot
from deployments import server
from tests.e2e.lab import DOMAIN, ROOT, Lab, reference

RATE = 200
UPLOAD_CHUNKS, CHUNK = 8, b"x" * 65_536
CHUNK_SECONDS = 0.5
PATIENCE_SECONDS = 60.0
SETTLE_SECONDS = 6.0
"""How long the load goes on after a run, so that what was in flight is counted too."""

console = Console(highlight=False)


@dataclass
class Counts:
    """What the visitors of one phase saw."""

    name: str
    kinds: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    releases: set[str] = field(default_factory=set)


class Load:
    """A steady load on the edge, in a thread of its own; `counts` may be exchanged while it goes on."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._stop = threading.Event()
        self.counts = Counts("before")

    @contextmanager
    def running(self) -> Iterator[None]:
        """The load goes on while the block runs; what is in flight at its end is waited for."""
        thread = threading.Thread(target=lambda: asyncio.run(self._main()))
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join(PATIENCE_SECONDS)

    async def _main(self) -> None:
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
        timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=self._lab.host) as session:
            await asyncio.gather(
                self._pace(session, 1 / RATE, self._short), self._pace(session, 1, self._slow),
                self._pace(session, 1, self._upload),
            )  # fmt: skip

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

    async def _ask(self, kind: str, counts: Counts, request: Any) -> None:
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


@dataclass(frozen=True)
class Bench:
    """The installation, and what its runs change."""

    lab: Lab
    context: Path

    def prepare(self) -> None:
        """Both snapshots, and the example on three droplets."""
        where = {"environment": reference("environment", "lab-prod")}
        self._run("build-snapshot", **where, name="bench-base", kind="base")
        folder = {"base": reference("snapshot", "bench-base"), "context": str(ROOT / "examples" / "base")}
        self._run("build-snapshot", **where, name="bench-python", kind="custom", **folder)
        environment = Environment.load("lab-prod")
        assert isinstance(environment, Environment)
        snapshot = Snapshot.load("bench-python")
        assert isinstance(snapshot, Snapshot)
        environment.snapshot = snapshot
        environment.save("lab-prod", overwrite=True)
        self.save(3)
        self.deploy()

    def save(self, replicas: int) -> None:
        """The service's block."""
        service = Service.model_validate(
            {
                "name": "hello",
                "environment": Environment.load("lab-prod"),
                "image": {"kind": "build", "context": str(self.context)},
                "runs": {"kind": "web", "port": 8080, "domains": [DOMAIN], "health_path": "/health"},
                "replicas": replicas,
            }
        )
        service.save("hello", overwrite=True)

    def deploy(self) -> None:
        """A deploy of what the folder holds now."""
        self._run("deploy", service=reference("service", "hello"))

    def new_release(self) -> None:
        """A deploy of another page."""
        page = self.context / "page.html"
        page.write_text(page.read_text() + f"<!-- {time.time()} -->")
        self.deploy()

    def roll_back(self) -> None:
        """Back to the release before."""
        self._run("rollback", service=reference("service", "hello"))

    def scale(self, replicas: int) -> None:
        """On so many droplets."""
        self.save(replicas)
        self.deploy()

    def undeploy_one(self) -> None:
        """Off one droplet."""
        self._run("undeploy", service=reference("service", "hello"), droplet=self.lab.droplets()[0])

    def _run(self, flow: str, **parameters: Any) -> None:
        run = self.lab.run(flow, **parameters)
        assert run.completed, f"{run.name}: {run.log}"


def main() -> int:
    """Every phase under load; the exit status is 0 when nothing was lost."""
    lab = Lab()
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        for path in (ROOT / "examples" / "hello").iterdir():
            if path.is_file():
                (context / path.name).write_bytes(path.read_bytes())
        try:
            os.environ.update(server.environment(lab.up()))
            bench = Bench(lab, context)
            bench.prepare()
            return show(list(phases(bench)))
        finally:
            lab.down()


def phases(bench: Bench) -> Iterator[Counts]:
    """What the visitors of each phase saw."""
    steps: tuple[tuple[str, Callable[[], None]], ...] = (
        ("deploy", bench.new_release),
        ("rollback", bench.roll_back),
        ("scale to 2", lambda: bench.scale(2)),
        ("scale to 3", lambda: bench.scale(3)),
        ("undeploy of one host", bench.undeploy_one),
    )
    load = Load(bench.lab)
    with load.running():
        for name, step in steps:
            load.counts = counts = Counts(name)
            with console.status(f"{name} under load ..."):
                step()
                time.sleep(SETTLE_SECONDS)
            console.print(f"✓ {name}: {sum(counts.kinds.values())} answered, {len(counts.failures)} lost")
            yield counts


def show(found: list[Counts]) -> int:
    """The counts as a table, and the first failures; 1 when there are any."""
    table = Table("phase", "short", "slow (5 s)", "uploads", "lost", "releases seen")
    for one in found:
        kinds = (str(one.kinds[kind]) for kind in ("short", "slow", "upload"))
        table.add_row(one.name, *kinds, str(len(one.failures)), str(len(one.releases)))
    console.print(table)
    failures = [f"{one.name}: {failure}" for one in found for failure in one.failures]
    for line in failures[:10]:
        console.print(line, markup=False)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
