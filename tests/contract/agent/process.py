"""The agent as a process of its own, as on a droplet: uvicorn, TLS and production limits, over a Docker in memory.

`python -m tests.contract.agent.process FOLDER` says its port on a line, and obeys lines: `say COUNT` has its
container write so many lines of a kilobyte. It ends with its input.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from agent.server import serve
from agent.server.app import create_app
from agent.server.settings import Limits, Settings
from tests.contract.agent.serving import Droplet
from tests.fakes.engine import FakeEngine
from tests.fakes.router import Crashes, FakeRouter
from tests.unit.agent.builders import NAME, settings

LINE = "x" * 1000
SPARE = 1 << 20
AS_ON_A_DROPLET = {**os.environ, "MALLOC_ARENA_MAX": "2"}
"""As the agent's unit has it: what threads have let go of is used again."""


def chosen(folder: Path) -> Settings:
    """The droplet's settings, with what production allows."""
    return settings(folder, address="127.0.0.1", limits=Limits(spare_bytes=SPARE))


@dataclass(frozen=True)
class Process(Droplet):
    """A running one; its engine and router are those of this process, and see nothing."""

    child: subprocess.Popen[str]

    def say(self, lines: int) -> None:
        """Its container writes so many lines."""
        assert self.child.stdin is not None
        self.child.stdin.write(f"say {lines}\n")
        self.child.stdin.flush()

    def resident_bytes(self) -> int:
        """Its memory now."""
        return int(psutil.Process(self.child.pid).memory_info().rss)

    def peak_bytes(self) -> int:
        """The most memory that it ever had."""
        status = Path(f"/proc/{self.child.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) << 10

    def connections(self) -> int:
        """Its open files that are sockets."""
        return len(psutil.Process(self.child.pid).net_connections("tcp"))


@contextlib.contextmanager
def process(folder: Path) -> Iterator[Process]:
    """An enrolled droplet's agent in a process of its own, with an image."""
    command = [sys.executable, "-m", "tests.contract.agent.process", str(folder)]
    with (
        FakeEngine() as engine,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=AS_ON_A_DROPLET
        ) as child,
    ):
        assert child.stdout is not None
        image = engine.add_image(b"one", b"two", tag="hello:1")  # the same as the child's, whose id is its content's
        try:
            yield Process(engine, FakeRouter(), chosen(folder), int(json.loads(child.stdout.readline())), image, child)
        finally:
            child.terminate()


def main(folder: Path) -> None:
    """Serve until the input ends."""
    crashes, found = Crashes(), chosen(folder)
    with FakeEngine(crashes) as engine:
        engine.add_image(b"one", b"two", tag="hello:1")
        server = serve.server(create_app(found, engine, FakeRouter(crashes)), found)
        threading.Thread(target=obey, args=(engine,), daemon=True).start()
        asyncio.run(run(server))


def obey(engine: FakeEngine) -> None:
    """Do what the lines say."""
    for line in sys.stdin:
        for _ in range(int(line.split()[1])):
            engine.say(NAME, LINE)


async def run(server: serve.Server) -> None:
    """Serve, and say where."""
    serve.settle()
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
    await serving


if __name__ == "__main__":
    main(Path(sys.argv[1]))
