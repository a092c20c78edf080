"""What the longer end-to-end tests do to the installation, and see of it."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast
from uuid import UUID

import httpx
from prefect.client.schemas.objects import TaskRun

from blocks.environment import Environment
from blocks.service import Service
from tests.e2e.lab import DOMAIN, RUN_DEADLINE, SANDBOX_PORT, Lab, Run, reference

LABEL = '{{.Names}} {{.State}} {{.Label "deployer.release"}}'
POLL_SECONDS = 0.2
T = TypeVar("T")


def eventually(
    look: Callable[[], T | None], what: str, deadline: float = RUN_DEADLINE, every: float = POLL_SECONDS
) -> T:
    """What `look` gives at last; a failure after the deadline, in seconds. A cloud is asked less often: it counts."""
    end = time.monotonic() + deadline
    while not (found := look()):
        assert time.monotonic() < end, f"{what}: not within {deadline:.0f} s"
        time.sleep(every)
    return found


def change_environment(**changes: Any) -> None:
    """Saves the lab's environment with these fields; services follow."""
    environment = cast(Environment, Environment.load("lab-prod"))
    for name, value in changes.items():
        setattr(environment, name, value)
    environment.save("lab-prod", overwrite=True)


def change_service(name: str = "hello", **changes: Any) -> None:
    """Saves a service with these fields."""
    service = cast(Service, Service.load(name))
    for field, value in changes.items():
        setattr(service, field, value)
    service.save(name, overwrite=True)


def deploy(lab: Lab, name: str = "hello", **options: Any) -> Run:
    """A deploy that has to complete."""
    run = lab.run("deploy", service=reference("service", name), **options)
    assert run.completed, run.log
    return run


def containers(lab: Lab, droplet: str, service: str = "hello") -> dict[str, tuple[str, str]]:
    """The service's containers on a droplet: Docker's state and the release, by role."""
    found = lab.inside(droplet, "docker", "ps", "--all", f"--format={LABEL}").splitlines()
    named = [line.split() for line in found if f"_{service}" in line]
    return {name.partition(".")[2] or "current": (state, release) for name, state, release in named}


def serving(lab: Lab, droplets: list[str]) -> set[str]:
    """The releases that serve on these droplets."""
    return {containers(lab, name)["current"][1] for name in droplets}


def addresses(lab: Lab, name: str = DOMAIN) -> set[str]:
    """Where the records of a name lead."""
    return {record.content for record in lab.dns().read_records(name=name)}


def ours(lab: Lab) -> list[str]:
    """The droplets of the environment, by name."""
    return sorted(one.name for one in lab.cloud().droplets.read_tagged("deployer"))


@contextmanager
def sandbox(lab: Lab, token: str) -> Iterator[httpx.Client]:
    """The sandbox's API, as somebody else uses it; `token` is one of `digitalocean`, `control`."""
    context = ssl.create_default_context(cafile=str(lab.sandbox / "ca.pem"))
    headers = {"Authorization": f"Bearer {lab.tokens[token]}"}
    with httpx.Client(
        base_url=f"https://127.0.0.1:{SANDBOX_PORT}", verify=context, headers=headers, timeout=60
    ) as client:
        yield client


def disturb(lab: Lab, droplet_id: int, **fault: Any) -> None:
    """Sets a fault of a droplet, by the sandbox's control route."""
    with sandbox(lab, "control") as client:
        client.post(f"/sandbox/droplets/{droplet_id}/faults", json=fault).raise_for_status()


def state_of(run: UUID) -> str:
    """The type of a run's state: `RUNNING`, `PAUSED`, `COMPLETED` …"""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        state = client.read_flow_run(run).state
    return state.type.value if state else ""


def cancel(run: UUID) -> None:
    """Does what *Cancel* in the UI does."""
    from prefect.client.orchestration import get_client
    from prefect.states import Cancelling

    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run, Cancelling())


def begun(run: UUID) -> list[str]:
    """The names of a run's steps that have begun."""
    return [one.name for one in steps(run)]


def steps(run: UUID) -> list[TaskRun]:
    """A run's steps that have begun, with their times."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    mine = FlowRunFilter(id=FlowRunFilterId(any_=[run]))
    with get_client(sync_client=True) as client:
        return [one for one in client.read_task_runs(flow_run_filter=mine, limit=200) if one.start_time]
