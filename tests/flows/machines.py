"""A droplet made of fakes and one real thing: the node agent's application.

`TlsMachine` runs it under its own TLS, on its own address; `tests.histories` has one that is quicker. It boots as a
droplet does: user data gives it a name and a boot secret, the first contact its own one, and then it comes back under
that. Docker and nginx are the verified fakes of `tests/fakes`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import httpx
import yaml
from starlette.types import ASGIApp

from agent import keys, wire
from agent.server import serve
from agent.server.app import create_app
from agent.server.peers import Peers
from agent.server.peers_conf import Site
from agent.server.settings import NotReady, Settings, load
from fleet.state import DropletRequest
from tests.fakes.engine import FakeEngine
from tests.fakes.identities import first_boot
from tests.fakes.proxy import FakeProxy
from tests.fakes.router import FakeRouter
from tests.transports import abort_all

PATIENCE_SECONDS = 20.0
POLL_SECONDS = 0.02
MAKING = Lock()
"""FastAPI builds routes and models late, and not in two threads at once; real agents have a process each."""


WELL: dict[str, Any] = {
    "machine": "",
    "host_keys": (),
    "listening": (80, 443, 9999),
    "ssh": (),
    "leftovers": (),
    "nginx": "",
    "docker": "",
    "image": "sha256:" + "ab" * 32,
    "packages": {"docker.io": "20.10.24", "nginx": "1.22.1"},
    "found": (),
}
"""What is examined of a droplet that is as it should be."""


class Machine(ABC):
    """What is on one droplet; `engine` and `router` are what its agent finds there, whoever runs that."""

    def __init__(self, request: DropletRequest, address: str, folder: Path) -> None:
        self.name, self.address, self._folder = request.name, address, folder
        self.engine, self.router, self.proxy = FakeEngine(), FakeRouter(), FakeProxy()
        self.system = folder / "system.json"
        """What is examined of the droplet, beyond its agent; a test may change it."""
        self.starts = 0
        """How often the agent has started: once to be enrolled, once under its own secret."""
        for file in yaml.safe_load(request.user_data).get("write_files", ()):  # none on one that is baked
            path = folder / str(file["path"]).removeprefix("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file["content"])
        first_boot(folder / "state" / "tls")
        self.says(machine=wire.fingerprint(request.name.encode()), host_keys=(f"key of {request.name}",))

    def says(self, **changes: Any) -> None:
        """What the system answers when it is examined: all is well, but for these changes."""
        known = json.loads(self.system.read_text()) if self.system.exists() else WELL
        self.system.parent.mkdir(parents=True, exist_ok=True)
        self.system.write_text(json.dumps({**known, **changes}))

    @property
    def table(self) -> Peers:
        """The peers that it knows."""
        return Peers(self.name, Site(self._folder / "state/peers", self._folder / "run"), self.engine, self.proxy)

    @property
    def releases(self) -> dict[str, str]:
        """The release of each role, but for those that are only kept."""
        return {one.role: one.release for one in self.engine.instances() if one.role != "kept"}

    @property
    def kept(self) -> list[str]:
        """The releases that can be gone back to beside the previous one, newest first."""
        return sorted((one.release for one in self.engine.instances() if one.role == "kept"), reverse=True)

    @property
    def ids(self) -> dict[str, str]:
        """Docker's id of each role's container."""
        return {one.role: one.id for one in self.engine.instances()}

    @property
    def changes(self) -> list[str]:
        """The calls so far that changed something here."""
        looks = {
            "engine.unused",
            "engine.layer_sizes",
            "engine.instances",
            "engine.logs",
            "engine.version",
            "engine.image",
            "engine.images",
        }
        looks |= {"engine.strangers", "engine.volume_names"}
        looks |= {"engine.architectures", "router.status"}
        looks |= {"router.read", "router.counts", "router.in_flight", "router.check", "router.update"}
        calls = [*self.engine.crashes.calls, *self.router.crashes.calls]
        return [call for call in calls if call not in looks]

    @property
    @abstractmethod
    def answers(self) -> bool:
        """Whether the agent is there."""

    @abstractmethod
    def silence(self) -> None:
        """The agent answers no more; the containers run on."""

    @abstractmethod
    def wake(self) -> None:
        """The agent is back after a silence."""

    def close(self) -> None:
        """Ends everything."""
        self.silence()
        self.engine.close()

    @property
    def folder(self) -> Path:
        """Its disk."""
        return self._folder

    def _settings(self) -> Settings:
        found = load(self._folder / "etc/deployer", self._folder / "state")
        run = self._folder / "run"
        return replace(
            found,
            run=run,
            address=self.address,
            home=self._folder / "opt/deployer",
            upgrade_command=("true",),
            seal_command=("true",),
            drill_command=("true",),
            examine_command=("cp", str(self.system), str(run / "examined.json")),
        )


class TlsMachine(Machine):
    """A droplet whose agent speaks TLS, on a thread of its own."""

    def restart(self) -> None:
        """The agent's process ends and is started again, as systemd does it; returns once it listens."""
        wanted, end = self.starts + 1, time.monotonic() + PATIENCE_SECONDS
        self._stop()
        while self.starts < wanted or not self._listens():
            assert time.monotonic() < end, f"the agent of {self.name} did not come back"
            time.sleep(POLL_SECONDS)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((self.address, wire.PORT)) == 0

    def __init__(self, request: DropletRequest, address: str, folder: Path) -> None:
        super().__init__(request, address, folder)
        self._over = Event()
        self._end_process: Callable[[], None] = lambda: None
        self._stop: Callable[[], None] = lambda: None
        self._thread = Thread(target=self._run)
        self._thread.start()

    @property
    def answers(self) -> bool:
        """Whether the agent is there."""
        return self._thread.is_alive()

    def silence(self) -> None:
        """The agent answers no more; the containers run on."""
        self._over.set()
        self._stop()
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive(), f"the agent of {self.name} did not end"

    def wake(self) -> None:
        """The agent is back after a silence."""
        self._over.clear()
        self._thread = Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                settings = self._settings()
            except NotReady:  # it was sealed: systemd would not start it either
                return
            asyncio.run(self._serve(settings))

    async def _serve(self, settings: Settings) -> None:
        loop = asyncio.get_running_loop()
        app = await self._made(settings)

        def make(stop: Callable[[], None]) -> ASGIApp:
            self._end_process = stop
            self._stop = lambda: self._call(loop, stop)
            return app

        self.starts += 1
        await serve.serve(make, settings, self.engine, self.router)
        await abort_all()

    async def _made(self, settings: Settings) -> ASGIApp:
        """The application, after a request that no route takes: by then FastAPI has built them all."""
        headers = {wire.KEY_HEADER: keys.api_key(settings.secret)}
        with MAKING:
            app = create_app(settings, self.engine, self.router, lambda: self._end_process(), self.table)
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="https://agent", headers=headers) as client:
                assert (await client.get("/no/such/route")).status_code == httpx.codes.NOT_FOUND
        return app

    @staticmethod
    def _call(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended already
            loop.call_soon_threadsafe(stop)


class Network:
    """A part of 127.89.0.0/16 that nobody else has, in any process, until it is closed."""

    def __init__(self) -> None:
        for number in range(255):
            self._claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                self._claim.bind((f"127.89.{number}.1", 9889))
            except OSError:
                self._claim.close()
            else:
                self.prefix = f"127.89.{number}"
                return
        raise AssertionError("255 fleets of fakes are open: close them")

    def close(self) -> None:
        """Gives it up."""
        self._claim.close()


@contextlib.contextmanager
def closing_all(machines: Callable[[], Sequence[Machine]]) -> Iterator[None]:
    """Closes the machines that there are at the end."""
    try:
        yield
    finally:
        for machine in machines():
            machine.close()
