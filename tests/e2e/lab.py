"""A whole installation for the end-to-end tests: sandbox, Prefect server, worker, two droplets that serve a service.

It is started by the commands that a person uses, in folders and on ports of its own, so that a demo on the same machine
is left alone.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import docker
import httpx
from docker.models.containers import Container

from blocks.environment import Environment
from blocks.service import Service
from deployments.settings import Settings, load
from fleet.cloud.cloudflare import Cloudflare
from fleet.cloud.digitalocean import DigitalOcean
from fleet.state import Droplet

ROOT = Path(__file__).resolve().parents[2]
LAB = int(os.environ.get("LAB") or os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
"""Which installation of this machine: each of pytest's processes has one of its own, and `LAB` chooses another."""
STATE = Path(f".state/e2e-{LAB}")
SANDBOX_PORT = 7800 + 100 * LAB
EDGE_PORT, UI_PORT = SANDBOX_PORT + 80, SANDBOX_PORT + 99
ZONE = "example.test"
DOMAIN = f"hello.{ZONE}"
COMMAND_DEADLINE = 600
RUN_DEADLINE = 600
POLL_SECONDS = 0.5
EXEC_TRIES = 3
ENDED = "--ended--"


@dataclass(frozen=True)
class Run:
    """A finished flow run."""

    id: UUID
    name: str
    completed: bool
    log: str


class Lab:
    """What the tests ask of the installation."""

    def __init__(self) -> None:
        self.root = ROOT / STATE
        self.login = "admin:canary-login-7f3a"
        self.sandbox = self.root / "sandbox"
        self.visitor = httpx.Client(base_url=self.url, headers=self.host, timeout=10)
        """Somebody out there; one for all requests, because each new one reads all authorities of the machine."""

    @property
    def tokens(self) -> dict[str, str]:
        """The sandbox's tokens."""
        return cast(dict[str, str], json.loads((self.sandbox / "tokens.json").read_text()))

    @property
    def url(self) -> str:
        """Where the edge listens; the service's name goes into the Host header."""
        return f"http://127.0.0.1:{EDGE_PORT}"

    @property
    def host(self) -> dict[str, str]:
        """The header that names the service to the edge."""
        return {"Host": f"{DOMAIN}.localhost:{EDGE_PORT}"}

    def settings(self, digitalocean: str, cloudflare: str) -> dict[str, str]:
        """The settings of this installation, with these tokens."""
        api = f"https://127.0.0.1:{SANDBOX_PORT}"
        return {
            "DEPLOYER_ADMIN_LOGIN": self.login,
            "DEPLOYER_STATE": str(STATE),
            "DEPLOYER_UI_PORT": str(UI_PORT),
            "DEPLOYER_DIGITALOCEAN_TOKEN": digitalocean,
            "DEPLOYER_DIGITALOCEAN_API_URL": api,
            "DEPLOYER_CLOUDFLARE_TOKEN": cloudflare,
            "DEPLOYER_CLOUDFLARE_API_URL": f"{api}/client/v4",
            "DEPLOYER_CLOUDFLARE_ZONE": ZONE,
            "DEPLOYER_CA_FILE": str(self.sandbox / "ca.pem"),
            "DEPLOYER_SERVICE_URL": f"http://{{domain}}.localhost:{EDGE_PORT}",
            "DEPLOYER_CONTROLLER_ADDRESSES": '["127.0.0.1/32"]',
            "DEPLOYER_PUBLIC_ADDRESSES": "[]",
            "DEPLOYER_PROJECT": "lab",
        }

    def command(self, *arguments: str) -> None:
        """One of our commands; its output is in the test's."""
        # What the tests set for Prefect in this process is not for the installation.
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        command = [sys.executable, "-m", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=clean, timeout=COMMAND_DEADLINE, check=False)
        assert done.returncode == 0, arguments

    def up(self) -> Settings:
        """Starts everything that is not a run, after the removal of what a killed test run left."""
        if self.root.exists():
            os.environ.update(self.settings("", ""))
            self.down()
        self.command("sandbox", "up", "--state", str(self.sandbox), "--port", str(SANDBOX_PORT))
        os.environ.update(self.settings(self.tokens["digitalocean"], self.tokens["cloudflare"]))
        self.command("deployments", "up")
        return load()

    def down(self) -> None:
        """Stops and removes everything."""
        self.command("deployments", "down")
        self.command("sandbox", "clean", "--state", str(self.sandbox))
        shutil.rmtree(self.root)

    def start(self, flow: str, **parameters: Any) -> UUID:
        """Starts a deployment as a program does; gives the run's id."""
        from prefect.client.schemas.objects import FlowRun
        from prefect.deployments import run_deployment

        # With a key of its own, so that a call that is repeated because the server was busy makes no second run.
        key = str(uuid4())
        started = run_deployment(
            f"{flow}/{flow}", parameters=parameters, idempotency_key=key, timeout=0, as_subflow=False
        )
        return cast(FlowRun, started).id

    def run(self, flow: str, **parameters: Any) -> Run:
        """Starts a deployment, and waits until it has ended."""
        return self.finish(self.start(flow, **parameters))

    def finish(self, started: UUID) -> Run:
        """Waits until a run has ended; its log ends with the message of its last state."""
        from prefect.client.orchestration import get_client

        end = time.monotonic() + RUN_DEADLINE
        with get_client(sync_client=True) as client:
            while not (state := client.read_flow_run(started).state) or not state.is_final():
                assert time.monotonic() < end, f"the run {started} took over {RUN_DEADLINE} s"
                time.sleep(POLL_SECONDS)
            name = client.read_flow_run(started).name
        return Run(started, name, state.is_completed(), f"{self.log(started)}\n{state.message}")

    def log(self, run: UUID) -> str:
        """All that a run logged."""
        from prefect.client.orchestration import get_client
        from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId

        with get_client(sync_client=True) as client:
            lines = client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run])), limit=200)
        return "\n".join(line.message for line in lines)

    def artifact(self, run: UUID) -> str:
        """What a run left for people to read."""
        from prefect.client.orchestration import get_client
        from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

        with get_client(sync_client=True) as client:
            mine = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run]))
            found = client.read_artifacts(artifact_filter=mine)
        return "\n".join(str(one.data) for one in found)

    def machine(self, droplet: str) -> Container:
        """The container machine of a droplet, for looks behind the scenes."""
        running = docker.from_env().containers.list()
        return next(one for one in running if one.attrs["Config"]["Hostname"] == droplet)

    def inside(self, droplet: str, *command: str) -> str:
        """What a command prints inside a droplet's machine; run again where Docker lost that (moby, issue 27289)."""
        told = ["sh", "-c", f'"$@"; echo; echo {ENDED}', "sh", *command]
        for _ in range(EXEC_TRIES):
            output: Any = self.machine(droplet).exec_run(told).output
            if (text := str(output.decode())).endswith(f"\n{ENDED}\n"):
                return text.removesuffix(f"\n{ENDED}\n")
        raise AssertionError(f"{droplet}: the end of {command} was not seen, {EXEC_TRIES} times")

    def cloud(self) -> DigitalOcean:
        """The account, through our own adapter."""
        return cast(Environment, Environment.load("lab-prod")).digitalocean.client()

    def dns(self) -> Cloudflare:
        """The zone, through our own adapter."""
        return cast(Environment, Environment.load("lab-prod")).cloudflare.client()

    def droplet(self, name: str) -> Droplet:
        """A droplet by its name, as the API shows it."""
        return next(one for one in self.cloud().droplets.read_tagged("deployer") if one.name == name)

    def ask(self, path: str = "/json") -> dict[str, Any]:
        """What the service answers through the edge."""
        reply = self.visitor.get(path)
        assert reply.status_code == httpx.codes.OK, reply.text
        return cast(dict[str, Any], reply.json())

    def droplets(self) -> list[str]:
        """The droplets that answer for the service, by the edge's spreading of requests."""
        return sorted({self.ask()["droplet"] for _ in range(40)})


def schedule(flow: str, active: bool) -> None:
    """Has a flow's schedule run or rest: where nobody looks, a run each minute takes a good part of a small machine."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        found = client.read_deployment_by_name(f"{flow}/{flow}")
        for one in found.schedules:
            client.update_deployment_schedule(found.id, one.id, active=active)


def reference(type_slug: str, name: str) -> dict[str, Any]:
    """A block as a parameter."""
    return {"$ref": {"block_document_slug": f"{type_slug}/{name}"}}


def service(name: str) -> Service:
    """A service's block."""
    return cast(Service, Service.load(name))
