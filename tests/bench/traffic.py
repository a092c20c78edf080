"""`make bench-traffic`: what visitors lose while releases and droplets change under a steady load.

Three droplets serve the example behind the sandbox's edge. Every second 200 short requests, one that takes five seconds
and one upload that takes four begin, whether or not earlier ones have ended, over kept-alive connections, while a
deploy, a rollback, a scale down and up, and an undeploy of one host go on; six websockets are open all the while, and
come back when they are told to go. Nothing may fail, the load has to be there, and the releases that are to be seen.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from blocks.environment import Environment
from blocks.service import Service
from blocks.snapshot import Snapshot
from deployments import server
from tests.bench.visits import RATE, Counts, Load
from tests.e2e.lab import DOMAIN, ROOT, Lab, reference

BEGUN = 0.95
"""The least part of that rate with which a phase says anything."""
SETTLE_SECONDS = 6.0
"""How long the load goes on after a run, so that what was in flight is counted too."""

console = Console(highlight=False)


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
    steps: tuple[tuple[Counts, Callable[[], None]], ...] = (
        (Counts("deploy", expected=2, leaves=True), bench.new_release),
        (Counts("rollback", expected=2, leaves=True), bench.roll_back),
        (Counts("scale to 2", expected=2, leaves=True), lambda: bench.scale(2)),  # with the page of the first phase
        (Counts("scale to 3"), lambda: bench.scale(3)),
        (Counts("undeploy of one host"), bench.undeploy_one),
    )
    load = Load(bench.lab)
    with load.running():
        for counts, step in steps:
            load.counts, began = counts, time.monotonic()
            with console.status(f"{counts.name} under load ..."):
                step()
                time.sleep(SETTLE_SECONDS)
            counts.seconds = time.monotonic() - began
            console.print(f"✓ {counts.name}: {sum(counts.kinds.values())} answered, {len(counts.failures)} lost")
            yield counts


def wrong(found: Sequence[Counts]) -> list[str]:
    """All that keeps the figures from saying that nothing was lost; empty: they say it."""
    told = []
    for one in found:
        begun, wanted = one.begun["short"], BEGUN * RATE * one.seconds
        if begun < wanted or not begun:
            told.append(
                f"{one.name}: {begun} short requests were begun in {one.seconds:.0f} s, of {wanted:.0f} at least"
            )
        told += [f"{one.name}: no {kind} was answered" for kind in ("short", "slow", "upload") if not one.kinds[kind]]
        if len(one.releases) != one.expected:
            told.append(f"{one.name}: {len(one.releases)} releases were seen, not {one.expected}")
        if one.leaves and not one.kinds["socket"]:
            told.append(f"{one.name}: no websocket was told to go")
        told += [f"{one.name}: {failure}" for failure in one.failures]
    return told


def show(found: Sequence[Counts]) -> int:
    """The counts as a table, and the first things that are wrong; 1 when there are any."""
    table = Table("phase", "short", "of a second", "slow (5 s)", "uploads", "sockets moved", "lost", "releases seen")
    for one in found:
        short, slow, upload, socket = (str(one.kinds[kind]) for kind in ("short", "slow", "upload", "socket"))
        rate = f"{one.begun['short'] / one.seconds:.0f}" if one.seconds else "0"
        table.add_row(one.name, short, rate, slow, upload, socket, str(len(one.failures)), str(len(one.releases)))
    console.print(table)
    told = wrong(found)
    for line in told[:10]:
        console.print(line, markup=False)
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
