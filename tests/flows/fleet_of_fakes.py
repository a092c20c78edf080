"""Both clouds, an edge, and a droplet's agent for every droplet that is made: a whole fleet in this process.

`Fleet` is the world of one test. The clouds are the verified fakes; every droplet that becomes active is booted as a
`Machine` on a loopback address of its own; the edge answers a visitor as the A records and the machines' nginx say.
The blocks are the real ones but for `client()`, which finds the fakes by the address of their API.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from threading import RLock, Thread
from typing import Any, ClassVar, Protocol

from blocks.cloudflare import CloudflareCredentials
from blocks.digitalocean import DigitalOceanCredentials
from blocks.environment import Environment
from blocks.service import Service
from fleet import naming
from fleet.cloud.ports import Cloud, Dns
from fleet.state import Droplet, DropletRequest, Record, Snapshot
from tests.fakes.clouds import FakeCloudflare, FakeDigitalOcean, FakeDroplets
from tests.flows.machines import Machine, Network, TlsMachine, closing_all

ZONE = "example.localhost"
DOMAIN = f"hello.{ZONE}"
Boot = Callable[[DropletRequest, str, Path], Machine]
"""Makes the machine of a droplet that was asked for, at an address, with its files in a folder."""
BOOT = timedelta(minutes=1)
OPEN: dict[str, Fleet] = {}
"""The fleets of running tests, by the address that their blocks have for both APIs."""


class FakeDigitalOceanCredentials(DigitalOceanCredentials):
    """The block, with a fake behind it.

    Example:
        ```python
        from tests.flows.fleet_of_fakes import FakeDigitalOceanCredentials

        credentials = FakeDigitalOceanCredentials.load("BLOCK_NAME")
        ```
    """

    _block_type_name: ClassVar[str | None] = "Fake DigitalOcean Credentials"
    _block_type_slug: ClassVar[str | None] = "fake-digitalocean-credentials"

    def client(self) -> Cloud:  # type: ignore[override]  # a verified fake of the same ports
        """The fake account of this test."""
        return OPEN[self.api_url].cloud


class FakeCloudflareCredentials(CloudflareCredentials):
    """The block, with a fake behind it.

    Example:
        ```python
        from tests.flows.fleet_of_fakes import FakeCloudflareCredentials

        credentials = FakeCloudflareCredentials.load("BLOCK_NAME")
        ```
    """

    _block_type_name: ClassVar[str | None] = "Fake Cloudflare Credentials"
    _block_type_slug: ClassVar[str | None] = "fake-cloudflare-credentials"

    def client(self) -> Dns:  # type: ignore[override]  # a verified fake of the same port
        """The fake zone of this test."""
        return OPEN[self.api_url].dns


class BootingDroplets(FakeDroplets):
    """Droplets that boot once they are active: when they are read one by one, or after a while."""

    def __init__(self, cloud: FakeDigitalOcean, network: Network, folder: Path, boot: Boot) -> None:
        super().__init__(cloud.account, cloud.snapshots, cloud.faults)
        self._network, self._folder, self._lock, self._boot = network, folder, RLock(), boot
        self.machines: dict[str, Machine] = {}

    @property
    def next_address(self) -> str:
        """Where the next droplet will be reached."""
        return self._address(max(self.all, default=100) + 1)

    def read_tagged(self, tag: str) -> list[Droplet]:
        """Droplets with the tag; those that had the time for it have booted."""
        for one in list(self.all.values()):
            if one.status == "new" and self.clock() - one.created_at >= BOOT:
                self._booted(one.id)
        return super().read_tagged(tag)

    def _booted(self, droplet_id: int) -> Droplet | None:
        with self._lock:
            found = super()._booted(droplet_id)
            if found is None or found.status != "active" or found.name in self.machines:
                return found
            address = self._address(droplet_id)
            found = self.all[droplet_id] = replace(found, public_address=address)
            request = next(one for one in self.requests if one.name == found.name)
            self.machines[found.name] = self._boot(request, address, self._folder / found.name)
            return found

    def _address(self, droplet_id: int) -> str:
        return f"{self._network.prefix}.{droplet_id - 90}"


class Outside(Protocol):
    """Where visitors come in."""

    server_port: int

    def close(self) -> None:
        """Ends it."""


class Edge(ThreadingHTTPServer):
    """Plays Cloudflare: asks every host that a name's records point at, and answers with the worst that it hears."""

    def __init__(self, fleet: Fleet) -> None:
        super().__init__(("127.0.0.1", 0), _Visit)
        self.fleet = fleet
        self._thread = Thread(target=self.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        """Ends it."""
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Visit(BaseHTTPRequestHandler):
    server: Edge

    def do_GET(self) -> None:
        """One visitor's request."""
        host = self.headers["Host"].split(":")[0]
        worst = max((status for status, _ in self.server.fleet.visit(host, self.path)), default=530)
        self.send_response(worst)
        for wait in self.server.fleet.waits(host) if worst == HTTPStatus.SERVICE_UNAVAILABLE else ():
            self.send_header("Retry-After", wait)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class Fleet:
    """The world of one test."""

    _numbers = count(1)

    def __init__(self, folder: Path, boot: Boot = TlsMachine, outside: Callable[[Fleet], Outside] = Edge) -> None:
        self.network = Network()
        self.cloud, self.dns = FakeDigitalOcean(), FakeCloudflare(ZONE)
        self.droplets = self.cloud.droplets = BootingDroplets(self.cloud, self.network, folder, boot)
        self.snapshot: Snapshot = self.cloud.snapshots.add(
            "demo-base", tags=naming.snapshot_tags("base") | {naming.READY_TAG}
        )
        self.address = f"https://fleet-{next(self._numbers)}.invalid"
        self.edge: Outside = outside(self)
        self.context = folder / "context"
        self.context.mkdir()
        self.write("one")

    @property
    def machines(self) -> list[Machine]:
        """In the order of their names, which is the order of a plan."""
        return [self.droplets.machines[name] for name in sorted(self.droplets.machines)]

    @property
    def records(self) -> list[tuple[str, str]]:
        """Names and addresses of all records."""
        return sorted((record.name, record.content) for record in self.dns.all.values())

    @property
    def everywhere(self) -> list[tuple[str, str]]:
        """The records that should be there when every machine serves."""
        return sorted((DOMAIN, machine.address) for machine in self.machines)

    @property
    def serving(self) -> set[str]:
        """The releases that visitors are served by, after a look at every record's host."""
        return {body.split()[-1] for _, body in self.visit(DOMAIN)}

    @property
    def changes(self) -> list[str]:
        """The calls so far that changed something, in the clouds and on every machine."""
        changing = ("ensure", "remove", "act", "snapshot", "tag", "describe", "remove_named")
        calls = [*self.cloud.faults.calls, *self.dns.faults.calls]
        made = [call for call in calls if call.rpartition(".")[2] in changing]
        return made + [change for machine in self.machines for change in machine.changes]

    def write(self, content: str) -> None:
        """What the next image is built from."""
        (self.context / "Dockerfile").write_text('FROM scratch\nCOPY app /app\nCMD ["/app"]\n')
        (self.context / "app").write_text(content)

    def visit(self, host: str, path: str = "/") -> list[tuple[int, str]]:
        """What every host that the name's records point at answers a visitor; 521 where nobody listens."""
        at = {machine.address: machine for machine in self.machines}
        found = [record for record in self.dns.all.values() if (record.name, record.type) == (host, "A")]
        return [at[one.content].router.get(host, path) if one.content in at else (521, "down") for one in found]

    def waits(self, host: str) -> set[str]:
        """The `Retry-After` that the hosts of a name show visitors; empty: none of them shows a maintenance page."""
        pointed = {record.content for record in self.dns.all.values() if record.name == host}
        shown = [machine.router.ask(host) for machine in self.machines if machine.address in pointed]
        return {wait for answer in shown if (wait := answer.headers.get("retry-after"))}

    def add_stray_record(self, name: str = DOMAIN) -> Record:
        """A record that somebody else made."""
        return self.dns.add(name, "198.51.100.9", "a web server of our own")

    def environment(self, **changes: Any) -> Environment:
        """The block of the environment."""
        given = {
            "project": "demo",
            "name": "prod",
            "region": "fra1",
            "snapshot": {"snapshot_id": self.snapshot.id, "name": self.snapshot.name, "kind": "base"},
            "digitalocean": FakeDigitalOceanCredentials.model_validate({"token": "dop_v1_x", "api_url": self.address}),
            "cloudflare": FakeCloudflareCredentials.model_validate(
                {
                    "token": "cf-x",
                    "zone": ZONE,
                    "api_url": self.address,
                    "service_url": f"http://{{domain}}:{self.edge.server_port}",
                }
            ),
            "controller_addresses": ["127.0.0.1/32"],
        }
        return Environment.model_validate({**given, **changes})

    def service(self, replicas: int = 2, **changes: Any) -> Service:
        """The block of the service `hello`."""
        given = {
            "name": "hello",
            "environment": self.environment(),
            "image": {"context": str(self.context)},
            "runs": {"port": 8080, "domains": [DOMAIN], "start_seconds": 5},
            "replicas": replicas,
            "drain_seconds": 1,
        }
        return Service.model_validate({**given, **changes})

    def close(self) -> None:
        """Ends everything."""
        with closing_all(lambda: self.machines):
            self.edge.close()
        self.network.close()


@contextmanager
def open_fleet(folder: Path, boot: Boot = TlsMachine, outside: Callable[[Fleet], Outside] = Edge) -> Iterator[Fleet]:
    """A fleet for as long as the block lasts."""
    fleet = Fleet(folder, boot, outside)
    OPEN[fleet.address] = fleet
    try:
        yield fleet
    finally:
        del OPEN[fleet.address]
        fleet.close()
