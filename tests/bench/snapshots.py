"""`make bench-snapshots`: from "create droplet" to "serving", from a custom snapshot and from a stock image.

Both ways end with the same container of the example service that answers through the droplet's nginx; both are taken
in one run, in the sandbox. The first droplet is made from a custom snapshot; the second is a fresh Debian on which all
that the snapshot holds is installed first: Docker, nginx, the agent, and the image `local/base:latest`. The first has
to be at least ten times as fast. The image is the one of `examples/llm`; another folder may be named.
"""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import httpx
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings
from rich.console import Console
from rich.table import Table

from agent import keys, wire
from blocks.environment import Environment
from blocks.snapshot import Snapshot
from fleet import naming
from fleet.state import Droplet, DropletRequest
from tasks import contexts, droplets, snapshots, userdata
from tasks.agents import reach
from tasks.bake import bake
from tasks.bake.shell import connect
from tasks.workbench import SLUG
from tests.e2e.lab import DOMAIN, ROOT, Lab, reference

AT_LEAST = 10.0
DROPLETS = 3
"""How many are made from the snapshot, of which the one in the middle counts: each takes seconds."""
NAME = "0a1b2c_lab_prod_hello"
RELEASE = "20261124t000001-abcdef"
PATIENCE_SECONDS = 60.0

console = Console(highlight=False)


class Watch:
    """The seconds that each part of a way took."""

    def __init__(self) -> None:
        self.parts: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, part: str) -> None:
        """A part has ended."""
        now = time.monotonic()
        self.parts[part], self._last = now - self._last, now
        console.print(f"  {part}: {self.parts[part]:.1f} s")

    @property
    def total(self) -> float:
        """All of it."""
        return sum(self.parts.values())


@contextmanager
def installation() -> Iterator[Lab]:
    """A sandbox, a Prefect server and a worker, with folders and ports of their own."""
    lab = Lab()
    try:
        settings = lab.up()
        access = {PREFECT_API_URL: f"{settings.ui_url}/api", PREFECT_API_AUTH_STRING: lab.login}
        with temporary_settings(access):
            yield lab
    finally:
        lab.down()


def make_snapshots(lab: Lab, folder: Path) -> Snapshot:
    """A base and a custom snapshot, by the flow; gives the custom one."""
    where = {"environment": reference("environment", "lab-prod")}
    custom = {"base": reference("snapshot", "lab-base"), "context": str(folder)}
    for parameters in ({"name": "lab-base", "kind": "base"}, {"name": "lab-python", "kind": "custom", **custom}):
        run = lab.run("build-snapshot", **where, **parameters)
        if not run.completed:
            raise SystemExit(run.log)
    return cast(Snapshot, Snapshot.load("lab-python"))


@contextmanager
def droplet(environment: Environment, image: str, user_data: Callable[[str], str]) -> Iterator[Droplet]:
    """A droplet with its address."""
    intent = secrets.token_hex(6)
    name = f"bench-{intent}"
    tags = frozenset({naming.TAG})
    request = DropletRequest(name, environment.region, environment.size, image, tags, intent, user_data(name))
    made = droplets.ensure_droplet.fn(request, environment.digitalocean)
    try:
        yield droplets.wait_active.fn(made, environment.digitalocean)
    finally:
        droplets.remove_droplet.fn(made, environment.digitalocean)


def from_snapshot(environment: Environment, snapshot: Snapshot) -> Watch:
    """The way that every droplet of an environment takes."""
    watch = Watch()
    with droplet(environment, snapshot.snapshot_id, snapshots.user_data(environment)) as made:
        watch.lap("droplet is active")
        droplets.wait_ready.fn(made, environment)
        watch.lap("agent answers")
        serve(made, environment)
        watch.lap("service built, started and serving")
    return watch


def from_stock(environment: Environment, folder: Path) -> Watch:
    """The way without snapshots: everything is installed on each droplet."""
    host_key, bake_key = userdata.new_key_pair("host"), userdata.new_key_pair("bake")
    watch = Watch()
    with droplet(environment, SLUG, lambda _: userdata.bake_user_data(bake_key.public, host_key)) as made:
        watch.lap("droplet is active")
        bake.fn(made.public_address or "", bake_key, host_key.public, lambda _: None)
        watch.lap("Docker, nginx and the agent installed")
        token = environment.digitalocean.token.get_secret_value()
        with connect(made.public_address or "", bake_key.private, host_key.public, lambda _: None) as shell:
            shell.write("/etc/deployer/boot.key", keys.boot_secret(token, made.name).encode(), mode=0o600)
            shell.write("/etc/deployer/droplet", made.name.encode())
            shell.run("systemctl", "start", "deployer-agent.service")
        droplets.wait_ready.fn(made, environment)
        watch.lap("agent answers")
        build(made, environment, folder, contexts.BASE_TAG)
        watch.lap("local/base built")
        serve(made, environment)
        watch.lap("service built, started and serving")
    return watch


def build(made: Droplet, environment: Environment, folder: Path, tag: str) -> str:
    """An image on the droplet; gives its id."""
    with contexts.pack(folder, "Dockerfile") as archive, reach(environment, made) as agent:
        for event in agent.build(iter(lambda: archive.read(1 << 20), b""), tag=tag):
            if event.image:
                return event.image.id
            if event.error:
                raise SystemExit(event.error)
    raise SystemExit("The build ended without an image.")


def serve(made: Droplet, environment: Environment) -> None:
    """The example on the droplet, until a visitor is answered."""
    image = build(made, environment, ROOT / "examples" / "hello", "hello:latest")
    spec = wire.ContainerSpec.model_validate(
        {
            "release": RELEASE,
            "image": image,
            "port": 8080,
            "hosts": (DOMAIN,),
            "health": {"path": "/health", "start_seconds": 30},
        }
    )
    with reach(environment, made) as agent:
        fencing = agent.take_lease(NAME, wire.LeaseRequest(holder="the benchmark")).fencing
    with reach(environment, made, fencing) as agent:
        agent.prepare(NAME, spec)
        agent.promote(NAME, wire.Promote(release=RELEASE))
    end = time.monotonic() + PATIENCE_SECONDS
    while httpx.get(f"http://{made.public_address}/health", headers={"Host": DOMAIN}).status_code != httpx.codes.OK:
        if time.monotonic() > end:
            raise SystemExit(f"{made.name} does not serve.")
        time.sleep(0.1)


def show(snapshot: Watch, stock: Watch) -> float:
    """Both ways, part by part; gives how many times as fast the first one is."""
    table = Table("part", "from a custom snapshot", "from a stock image", title="From “create droplet” to “serving”")
    for part in stock.parts:
        here = snapshot.parts.get(part)
        table.add_row(part, f"{here:.1f} s" if here is not None else "", f"{stock.parts[part]:.1f} s")
    table.add_row("in all", f"{snapshot.total:.1f} s", f"{stock.total:.1f} s", style="bold")
    console.print(table)
    return stock.total / snapshot.total


def main() -> int:
    """Measures, prints, and says by its exit status whether the snapshot is as fast as it has to be."""
    folder = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / "examples" / "llm"
    with installation() as lab:
        console.print("Making a base and a custom snapshot ...")
        snapshot = make_snapshots(lab, folder)
        environment = cast(Environment, Environment.load("lab-prod"))
        ways = []
        for number in range(1, DROPLETS + 1):
            console.print(f"From the custom snapshot, droplet {number} of {DROPLETS}:")
            ways.append(from_snapshot(environment, snapshot))
        fast = sorted(ways, key=lambda way: way.total)[DROPLETS // 2]
        console.print("From a stock image:")
        slow = from_stock(environment, folder)
    times = show(fast, slow)
    good = times >= AT_LEAST
    colour = "green" if good else "red"
    console.print(f"[{colour}]{times:.1f} times as fast[/] (at least {AT_LEAST:.0f} are wanted).")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
