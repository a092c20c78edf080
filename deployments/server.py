"""The embedded controller: a Prefect server on SQLite and two process workers, with login on."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx

from deployments import profile
from deployments.processes import Process
from deployments.settings import ROOT, Settings
from tasks.queues import HEALING, PEOPLE, ROUNDS

SERVER = "prefect-server"
POOL = "deployer"
ROUNDS_AT_ONCE = 8
"""Runs of the second worker; those that heal can take half of them (`tasks.queues`)."""
EVENT_DAYS = 7
"""Events are kept no longer than this: a health round has a dozen, and nothing but automations reads them."""
BULKY = ("prefect.artifact-collection.created", "prefect.artifact-collection.updated")
"""Events that hold the whole artifact (3.8.8): 155 kB a round with 100 droplets. They go after an hour."""
SERVER_DEADLINE = timedelta(seconds=120)
"""An empty database takes 15 s here; a slow disk may take many times that."""


SECRET = ("PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING")
"""Variables that are not for everybody's eyes."""


def environment(settings: Settings) -> dict[str, str]:
    """Variables for clients: flows, workers and the `prefect` command talk to this server as the admin."""
    return {
        "PREFECT_HOME": str(settings.home),
        "PREFECT_API_URL": f"{settings.ui_url}/api",
        "PREFECT_API_AUTH_STRING": settings.api_login.get_secret_value(),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }


def server_environment(settings: Settings) -> dict[str, str]:
    """All variables of the embedded server."""
    return {**os.environ, **server_values(settings)}


def server_values(settings: Settings) -> dict[str, str]:
    """Variables of a server: it listens on this machine alone, asks for the login, and forgets in time."""
    days = f"P{settings.retention_days}D"
    return {
        **environment(settings),
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        "PREFECT_SERVER_API_PORT": str(settings.ui_port),
        "PREFECT_SERVER_API_AUTH_STRING": settings.api_login.get_secret_value(),
        # Its new UI loses a nested block when the outer one is edited, and stores a masked token as the token (3.8.8).
        "PREFECT_SERVER_UI_V2_ENABLED": "false",
        "PREFECT_UI_API_URL": f"{settings.ui_url}/api",
        # A sweep a minute: without this the database grows by gigabytes a month.
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": days,
        "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": f"P{min(settings.retention_days, EVENT_DAYS)}D",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_EVENT_RETENTION_OVERRIDES": json.dumps(dict.fromkeys(BULKY, 3600 + 60)),
    }


@dataclass(frozen=True)
class Worker:
    """One process that takes runs; a run that waits keeps its place, so no worker serves both kinds of queue."""

    name: str
    queues: tuple[str, ...]
    limit: int
    """So many runs at once."""

    def arguments(self) -> list[str]:
        """What follows `prefect` on its command line."""
        asked = [word for queue in self.queues for word in ("--work-queue", queue)]
        command = ["worker", "start", "--pool", POOL, "--type", "process", "--name", self.name, *asked]
        return [*command, "--limit", str(self.limit), "--install-policy", "never"]


def workers(settings: Settings) -> dict[str, Worker]:
    """The workers, by the name of their process."""
    return {
        "prefect-worker": Worker("local", (PEOPLE,), settings.runs),
        "prefect-rounds": rounds_worker("local-rounds"),
    }


def rounds_worker(name: str) -> Worker:
    """The worker of what is scheduled, and of what heals."""
    return Worker(name, (ROUNDS, HEALING), ROUNDS_AT_ONCE)


def start(settings: Settings) -> None:
    """Starts the server unless it runs, and waits until the API answers the admin."""
    server = Process(SERVER, settings.home)
    profile.write(settings.home, {k: v for k, v in environment(settings).items() if k.startswith("PREFECT_API_")})
    server.start([_prefect(), "server", "start"], server_environment(settings), ROOT)
    server.wait_ready(lambda: answers(settings), SERVER_DEADLINE)


def start_workers(settings: Settings) -> None:
    """Starts the workers that do not run; the pool and its queues must exist."""
    values = {**os.environ, **environment(settings), **worker_values()}
    for name, worker in workers(settings).items():
        Process(name, settings.home).start([_prefect(), *worker.arguments()], values, ROOT)


def worker_values() -> dict[str, str]:
    """Variables of a worker: it asks every second, and its runs find this Python."""
    return {
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_WORKER_PREFETCH_SECONDS": "5",
        "PATH": f"{Path(_prefect()).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }


def stop(settings: Settings) -> list[str]:
    """Ends workers and server; gives the names of those that ran."""
    return [process.name for process in reversed(_processes(settings)) if process.stop()]


def status(settings: Settings) -> dict[str, bool]:
    """Which processes run, by name."""
    return {process.name: process.find() is not None for process in _processes(settings)}


def answers(settings: Settings) -> bool:
    """Whether the API is up and accepts the admin's login."""
    name, _, password = settings.api_login.get_secret_value().partition(":")
    try:
        reply = httpx.get(f"{settings.ui_url}/api/admin/version", auth=(name, password), timeout=2)
    except httpx.TransportError:
        return False
    return reply.status_code == httpx.codes.OK


def _processes(settings: Settings) -> list[Process]:
    return [Process(name, settings.home) for name in (SERVER, *workers(settings))]


def _prefect() -> str:
    return os.path.join(os.path.dirname(sys.executable), "prefect")  # noqa: PTH118,PTH120  # resolve() would leave the venv
