"""`make demo`: from nothing to a service on two droplets, through Prefect, with the sandbox as the cloud.

Everything that it does, a person does as well: start the sandbox and the controller, fill in blocks, start runs.
Repeated, it finds everything there and changes nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from rich.console import Console

from deployments import server
from deployments.settings import ROOT, Settings, forget, load, remember

SANDBOX = ROOT / ".state" / "sandbox"
EDGE_PORT = 7780
API = "https://127.0.0.1:7700"
ZONE = "example.test"
BASE, CUSTOM = "demo-base", "demo-python"
RUN_DEADLINE_SECONDS = 1800
POLL_SECONDS = 0.5

console = Console(highlight=False)


class DemoFailed(Exception):
    """A step did not succeed; the message says which, with the last lines of its log."""


def main() -> int:
    """The whole demo; the exit status is 0 when the service answers."""
    began = time.monotonic()
    try:
        command("sandbox", "up", "--state", str(SANDBOX))
        write_settings()
        command("deployments", "up")
        settings = load()
        os.environ.update(server.environment(settings))
        runs(settings)
    except DemoFailed as error:
        console.print(f"[red]✗[/] {error}")
        return 1
    farewell(settings, time.monotonic() - began)
    return 0


def command(module: str, *arguments: str) -> None:
    """Runs one of our commands with its own progress on the screen.

    Raises:
        DemoFailed: it did not succeed.
    """
    done = subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, check=False)
    if done.returncode:
        raise DemoFailed(f"`python -m {module} {' '.join(arguments)}` failed; what to do is above. Then repeat this.")


def write_settings() -> None:
    """Tells the controller, in `.env`, that the sandbox is its cloud; what is there already stays."""
    load()
    remember(ROOT / ".env", world(json.loads((SANDBOX / "tokens.json").read_text())))


def world(tokens: dict[str, str]) -> dict[str, str]:
    """The settings that make the sandbox the controller's cloud."""
    return {
        "DEPLOYER_DIGITALOCEAN_TOKEN": tokens["digitalocean"],
        "DEPLOYER_DIGITALOCEAN_API_URL": API,
        "DEPLOYER_CLOUDFLARE_TOKEN": tokens["cloudflare"],
        "DEPLOYER_CLOUDFLARE_API_URL": f"{API}/client/v4",
        "DEPLOYER_CLOUDFLARE_ZONE": ZONE,
        "DEPLOYER_CA_FILE": str(SANDBOX / "ca.pem"),
        "DEPLOYER_SERVICE_URL": f"http://{{domain}}.localhost:{EDGE_PORT}",
        "DEPLOYER_CONTROLLER_ADDRESSES": '["127.0.0.1/32"]',
        "DEPLOYER_PUBLIC_ADDRESSES": "[]",
    }


def leave(settings: Settings, env: Path) -> None:
    """What the controller knows of the sandbox goes with it: the next demo would look for what is gone.

    Nothing is touched where the controller works for another cloud. The login stays.
    """
    if settings.digitalocean_api_url != API:
        return
    for folder in (settings.home, settings.home.parent / "healing"):
        if folder.exists():
            shutil.rmtree(folder)
    forget(env, world({"digitalocean": "", "cloudflare": ""}))


def runs(settings: Settings) -> None:
    """Both snapshots, the service's block, and its deploy."""
    environment = f"{settings.project}-{settings.environment}"
    where = {"environment": reference("environment", environment)}
    if not block_exists("snapshot", BASE):
        run("build-snapshot", {**where, "name": BASE, "kind": "base"})
    if not block_exists("snapshot", CUSTOM):
        base = {"base": reference("snapshot", BASE), "context": str(ROOT / "examples" / "base")}
        run("build-snapshot", {**where, "name": CUSTOM, "kind": "custom", **base})
    ensure_service(environment)
    run("deploy", {"service": reference("service", "hello")})


def reference(type_slug: str, name: str) -> dict[str, Any]:
    """A block as a parameter: a reference, so that no secret is in a run."""
    return {"$ref": {"block_document_slug": f"{type_slug}/{name}"}}


def block_exists(type_slug: str, name: str) -> bool:
    """Whether a block document is there."""
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as client:
        try:
            client.read_block_document_by_name(name, type_slug)
        except ObjectNotFound:
            return False
    return True


def ensure_service(environment: str) -> None:
    """The block of the example service, and the environment's default snapshot, unless a person chose others."""
    from blocks.environment import Environment
    from blocks.service import Service
    from blocks.snapshot import Snapshot

    where = cast(Environment, Environment.load(environment))
    if where.snapshot is None:
        where.snapshot = cast(Snapshot, Snapshot.load(CUSTOM))
        where.save(environment, overwrite=True)
    if not block_exists("service", "hello"):
        hello = Service.model_validate(
            {
                "name": "hello",
                "environment": Environment.load(environment),
                "image": {"kind": "build", "context": str(ROOT / "examples" / "hello")},
                "runs": {"kind": "web", "port": 8080, "domains": [f"hello.{ZONE}"], "health_path": "/health"},
                "replicas": 2,
            }
        )
        hello.save("hello")


def run(flow: str, parameters: dict[str, Any]) -> None:
    """Starts a deployment and shows its tasks as they go.

    Raises:
        DemoFailed: the run did not complete; the message holds the end of its log.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.objects import FlowRun
    from prefect.deployments import run_deployment

    began = time.monotonic()
    started = cast(FlowRun, run_deployment(f"{flow}/{flow}", parameters=parameters, timeout=0, as_subflow=False))
    with get_client(sync_client=True) as client:
        with console.status(f"{started.name}: waiting for the worker ...") as status:
            while not (state := (client.read_flow_run(started.id)).state) or not state.is_final():
                if time.monotonic() - began > RUN_DEADLINE_SECONDS:
                    raise DemoFailed(f"{flow} took over {RUN_DEADLINE_SECONDS / 60:.0f} minutes.")
                line = last_line(client, started.id, 1)
                status.update(f"{flow}: {line or 'starting'} [dim]{time.monotonic() - began:.0f} s[/]")
                time.sleep(POLL_SECONDS)
        name = (client.read_flow_run(started.id)).name
        if not state.is_completed():
            raise DemoFailed(f"{name} ended as {state.name}:\n{last_line(client, started.id, 15)}")
    console.print(f"[green]✓[/] {name} ({time.monotonic() - began:.0f} s)")


def last_line(client: Any, flow_run_id: UUID, lines: int) -> str:
    """The last lines of a run's log."""
    from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
    from prefect.client.schemas.sorting import LogSort

    mine = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[flow_run_id]))
    found = client.read_logs(mine, limit=lines, sort=LogSort.TIMESTAMP_DESC)
    return "\n".join(log.message for log in reversed(found))


def farewell(settings: Settings, seconds: float) -> None:
    """What runs now, and what to try."""
    name, _, password = settings.admin_login.get_secret_value().partition(":")
    url = settings.service_url.format(domain=f"hello.{ZONE}")
    console.print(f"\n[bold]Done in {seconds:.0f} s.[/] A service of two droplets: [link={url}]{url}[/]")
    console.print(f"Prefect UI: {settings.ui_url}  login: {name}:{password}  (kept in .env)\n")
    console.print("Three things to try:")
    console.print(f"  1. Open {url} twice, and see both droplets answer.")
    console.print("  2. Change examples/hello/page.html, then run 'deploy' in the UI and watch the page switch.")
    console.print("  3. Run 'undeploy' with one droplet's name: the other goes on serving.")
    console.print("`make down` removes everything.")


if __name__ == "__main__":
    if sys.argv[1:] == ["leave"]:
        leave(load(), ROOT / ".env")
    else:
        sys.exit(main())
