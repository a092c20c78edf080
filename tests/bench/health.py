"""`make bench-health`: what a health round costs, and what it leaves behind.

A hundred light stand-ins of agents on loopback, with twenty public names. First the sweep's own cost against a bare
asyncio loop over the same calls (at most twice as much), both in this process; then a whole round through Prefect,
whose own share is shown apart. With `--minutes 30` a server and a worker of their own carry out a round each minute,
and the controller's memory and the growth of its database are told.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import httpx
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, PREFECT_HOME, temporary_settings
from rich.console import Console
from rich.table import Table

from agent import keys, wire
from agent.client import transport
from blocks.cloudflare import CloudflareCredentials
from blocks.digitalocean import DigitalOceanCredentials
from blocks.environment import Environment
from deployments import server
from deployments.settings import ROOT, Settings, load
from fleet import naming
from fleet.state import Droplet
from flows.health_check import health_check
from tasks.health import edge, rounds
from tasks.health.findings import Finding
from tests.bench import soak, standins

AT_MOST = 2.0
PORT, UI_PORT = 7990, 7989
STATE = Path(".state/bench-health")
LOGIN = "admin:bench-login-2c91"

console = Console(highlight=False)


class Took(NamedTuple):
    """What something took: seconds on the clock, and of this process's processor."""

    wall: float
    processor: float


def main() -> int:
    """All of it; the exit status is 1 when the sweep costs more than it may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=100, help="how many droplets")
    parser.add_argument("--rounds", type=int, default=10, help="how often each way is measured")
    parser.add_argument("--minutes", type=int, default=0, help="how long a worker carries out a round each minute")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, world(chosen.agents, Path(folder)) as environment:
        good = cost(environment, chosen.rounds)
        with controller(Path(folder)) as settings:
            through_prefect(environment, settings, chosen.rounds)
            if chosen.minutes:
                soak.watch(settings, chosen.minutes, console)
    return 0 if good else 1


@contextmanager
def world(agents: int, folder: Path) -> Iterator[Environment]:
    """The stand-ins while the block lasts, and the environment that they are."""
    command = [sys.executable, "-m", "tests.bench.standins", str(agents), str(PORT), str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", "the stand-ins did not begin"
            yield environment_of(folder)
        finally:
            process.terminate()


def environment_of(folder: Path) -> Environment:
    """The blocks as a person would fill them in."""
    api = {"api_url": f"https://127.0.0.1:{PORT}", "ca_file": folder / "ca.pem"}
    return Environment.model_validate(
        {
            "project": standins.SPEC.project,
            "name": standins.SPEC.name,
            "region": standins.SPEC.region,
            "digitalocean": DigitalOceanCredentials.model_validate({"token": standins.TOKEN, **api}),
            "cloudflare": CloudflareCredentials.model_validate(
                {
                    **api,
                    "token": "made-up",
                    "zone": standins.ZONE,
                    "service_url": f"http://{{domain}}:{PORT + 1}",
                }
            ),
            "controller_addresses": ["127.0.0.1/32"],
        }
    )


def cost(environment: Environment, times: int) -> bool:
    """The sweep against a bare loop, in turns; says whether it costs at most `AT_MOST` as much."""
    tag = naming.environment_tag(environment.spec())
    droplets = environment.digitalocean.client().droplets.read_tagged(tag)
    ways: dict[str, Callable[[], Coroutine[Any, Any, Any]]] = {
        "bare loop": lambda: bare(environment, droplets),
        "sweep": lambda: rounds.look(environment, droplets),
    }
    asyncio.run(checked(environment, droplets))
    taken: dict[str, list[Took]] = {name: [] for name in ways}
    for _ in range(times):
        for name, way in ways.items():
            taken[name].append(took(lambda way=way: asyncio.run(way())))  # type: ignore[misc]  # bound now
    table = Table("way", "seconds (median)", "processor seconds", title=f"{len(droplets)} droplets, one round")
    medians = {name: Took(*(median(part) for part in zip(*found, strict=True))) for name, found in taken.items()}
    for name, one in medians.items():
        table.add_row(name, f"{one.wall:.2f}", f"{one.processor:.2f}")
    console.print(table)
    ratio = max(mine / its for mine, its in zip(medians["sweep"], medians["bare loop"], strict=True))
    good = ratio <= AT_MOST
    console.print(f"{'✓' if good else '✗'} The sweep costs {ratio:.2f} times a bare loop (at most {AT_MOST:.0f}).")
    return good


async def checked(environment: Environment, droplets: list[Droplet]) -> None:
    """One sweep that is not measured: everything is found, and well."""
    found: list[Finding] = await rounds.look(environment, droplets)
    bad = [one for one in found if one.verdict != "healthy" or any(answer.said != "healthy" for answer in one.edge)]
    assert len(found) == 4 * len(droplets), f"{len(found)} findings"
    assert not bad, bad[0].reason


async def bare(environment: Environment, droplets: list[Droplet]) -> None:
    """The same calls with nothing around them: each agent, the zone's records, and each name."""

    async def agent(droplet: Droplet) -> Any:
        secret = keys.droplet_secret(standins.TOKEN, droplet.name)
        options = transport.options(secret, droplet.name, droplet.public_address or "", wire.PORT)
        async with httpx.AsyncClient(**options) as client:
            return (await client.get("/node", extensions=transport.sni(droplet.name))).json()

    async def names() -> None:
        known = await asyncio.to_thread(edge.read_names, environment, droplets)
        async with httpx.AsyncClient() as client:
            urls = [environment.url(name).replace(name, "127.0.0.1") for name in known]
            await asyncio.gather(*(client.get(url) for url in urls))

    await asyncio.gather(*map(agent, droplets), names())


def took(call: Callable[[], Any]) -> Took:
    """How long a call takes."""
    wall, processor = time.monotonic(), time.process_time()
    call()
    return Took(time.monotonic() - wall, time.process_time() - processor)


@contextmanager
def controller(folder: Path) -> Iterator[Settings]:
    """A Prefect server and a worker of their own, with the stand-ins' environment and no other schedule."""
    shutil.rmtree(ROOT / STATE, ignore_errors=True)
    os.environ.update(
        {
            "DEPLOYER_ADMIN_LOGIN": LOGIN,
            "DEPLOYER_STATE": str(STATE),
            "DEPLOYER_UI_PORT": str(UI_PORT),
            "DEPLOYER_DIGITALOCEAN_TOKEN": standins.TOKEN,
            "DEPLOYER_DIGITALOCEAN_API_URL": f"https://127.0.0.1:{PORT}",
            "DEPLOYER_CLOUDFLARE_TOKEN": "made-up",
            "DEPLOYER_CLOUDFLARE_API_URL": f"https://127.0.0.1:{PORT}",
            "DEPLOYER_CLOUDFLARE_ZONE": standins.ZONE,
            "DEPLOYER_CA_FILE": str(folder / "ca.pem"),
            "DEPLOYER_SERVICE_URL": f"http://{{domain}}:{PORT + 1}",
            "DEPLOYER_CONTROLLER_ADDRESSES": '["127.0.0.1/32"]',
            "DEPLOYER_PROJECT": standins.SPEC.project,
        }
    )
    settings = load()
    access = {
        PREFECT_API_URL: f"{settings.ui_url}/api",
        PREFECT_API_AUTH_STRING: LOGIN,
        PREFECT_HOME: settings.home,
    }
    with ExitStack() as stack:
        stack.callback(command, "down")
        command("up")
        stack.enter_context(temporary_settings(access))
        soak.pause_all(settings)
        yield settings


def command(word: str) -> None:
    """One of our commands."""
    subprocess.run([sys.executable, "-m", "deployments", word], cwd=ROOT, timeout=300, check=True)


def through_prefect(environment: Environment, settings: Settings, times: int) -> None:
    """Whole rounds of the flow in this process: what Prefect, the table and the timeline add."""
    os.environ.update(server.environment(settings))
    whole = [took(lambda: health_check(environment)) for _ in range(times)]
    alone = [took(lambda: rounds.sweep.fn(environment)) for _ in range(times)]
    table = Table("part", "seconds (median)", "processor seconds", title="A round through Prefect, in one process")
    for name, found in (("the sweep and the list of droplets", alone), ("the whole flow", whole)):
        table.add_row(name, f"{median(one.wall for one in found):.2f}", f"{median(one.processor for one in found):.2f}")
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
