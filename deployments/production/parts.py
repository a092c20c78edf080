"""The parts of a production controller: what runs, with what it is told, in the order in which it is started."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from deployments import server
from deployments.production.settings import ProductionSettings
from deployments.settings import ROOT
from tasks.queues import PEOPLE

PATIENCE = 60
"""How often a client asks again, two seconds apart, while the gateway says that the API is away. Prefect's own default
of five tries is over after ten seconds: less than a restart of Redis or of both API servers may take."""
MODULES = {
    "PREFECT_MESSAGING_BROKER": "prefect_redis.messaging",
    "PREFECT_MESSAGING_CACHE": "prefect_redis.messaging",
    "PREFECT_SERVER_EVENTS_CAUSAL_ORDERING": "prefect_redis.ordering",
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect_redis.lease_storage",
}
"""What several servers must share. Docket stays in each process's memory: in Redis (3.8.8), an API server answers every
worker's question for runs with 500 while Redis is away, and nothing that it does there is missed by another server."""


@dataclass(frozen=True)
class Part:
    """One process of the controller."""

    name: str
    command: tuple[str, ...]
    values: dict[str, str] = field(default_factory=dict)
    """Variables that anybody may read."""
    secrets: dict[str, str] = field(default_factory=dict)
    """Variables that go into private files only."""
    ready: str | None = None
    """Address that answers 200 once it is ready; without one it is ready when it runs."""
    ends_alone: bool = False
    """Its children go on when it is stopped: the runs of a worker end by themselves."""
    root: bool = False
    """Starts as root, for a port under 1024; its own children have no rights."""


def parts(settings: ProductionSettings) -> tuple[Part, ...]:
    """All of them; each needs those before it, and Postgres."""
    return (redis(settings), *apis(settings), gateway(settings), services(settings), *workers(settings))


def redis(settings: ProductionSettings) -> Part:
    """Messages and leases; what it holds survives its restart."""
    return Part("deployer-redis", ("/usr/bin/redis-server", str(settings.place / "redis.conf")))


def apis(settings: ProductionSettings) -> tuple[Part, ...]:
    """The API servers, without services of their own."""
    return tuple(_api(settings, number, port) for number, port in enumerate(settings.api_ports, start=1))


def _api(settings: ProductionSettings, number: int, port: int) -> Part:
    command = (*prefect(), "server", "start", "--no-services", "--host", "127.0.0.1", "--port", str(port))
    ready = f"http://127.0.0.1:{port}/api/ready"
    return Part(f"deployer-api-{number}", command, _values(settings), _server_secrets(settings), ready)


def gateway(settings: ProductionSettings) -> Part:
    """nginx: TLS, logins and roles for people, and one address of all API servers for workers."""
    command = ("/usr/sbin/nginx", "-e", "stderr", "-c", str(settings.place / "gateway" / "nginx.conf"))
    ready = f"{settings.ui_url}/api/ready"
    return Part("deployer-gateway", (*command, "-g", "daemon off;"), {}, _client_secrets(settings), ready, root=True)


def services(settings: ProductionSettings) -> Part:
    """Prefect's background services: scheduler, automations, clean-up."""
    command = (*prefect(), "server", "services", "start")
    return Part("deployer-services", command, _values(settings), _server_secrets(settings))


def workers(settings: ProductionSettings) -> tuple[Part, ...]:
    """Those of what people start, of which any takes a run, and one of the rounds, which no waiting run holds up."""
    names = [f"worker-{number}" for number in range(1, settings.workers + 1)]
    people = [server.Worker(name, (PEOPLE,), settings.runs) for name in names]
    return tuple(_worker(settings, one) for one in (*people, server.rounds_worker("rounds")))


def _worker(settings: ProductionSettings, worker: server.Worker) -> Part:
    command = (*prefect(), *worker.arguments())
    values = {**_client_values(settings), **server.worker_values()}
    return Part(f"deployer-{worker.name}", command, values, _client_secrets(settings), ends_alone=True)


def migration(settings: ProductionSettings) -> Part:
    """Brings the database to this version of Prefect; to be run by one process, before any API server starts."""
    command = (*prefect(), "server", "database", "upgrade", "--yes")
    return Part("deployer-migration", command, _values(settings), _server_secrets(settings))


def prefect() -> tuple[str, ...]:
    """The `prefect` command of this virtual environment."""
    return (os.path.join(os.path.dirname(sys.executable), "prefect"),)  # noqa: PTH118,PTH120  # resolve() leaves the venv


def _client_values(settings: ProductionSettings) -> dict[str, str]:
    told = {name: value for name, value in server.environment(settings).items() if name not in server.SECRET}
    return {**told, "PREFECT_CLIENT_MAX_RETRIES": str(PATIENCE), "PYTHONPATH": str(ROOT)}


def _client_secrets(settings: ProductionSettings) -> dict[str, str]:
    return {name: value for name, value in server.environment(settings).items() if name in server.SECRET}


def _values(settings: ProductionSettings) -> dict[str, str]:
    told = {name: value for name, value in server.server_values(settings).items() if name not in server.SECRET}
    # The UI asks where it came from: through the gateway, under whatever name.
    own = {"PREFECT_UI_API_URL": "/api", "PREFECT_SERVER_DATABASE_MIGRATE_ON_START": "false"}
    return {**_client_values(settings), **told, **MODULES, **own}


def _server_secrets(settings: ProductionSettings) -> dict[str, str]:
    held = {name: value for name, value in server.server_values(settings).items() if name in server.SECRET}
    return {
        **held,
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": settings.database_url.get_secret_value(),
        "PREFECT_REDIS_MESSAGING_URL": settings.redis_url.get_secret_value(),
    }


def folder(settings: ProductionSettings) -> Path:
    """What the parts may write to, beside their logs."""
    return (ROOT / settings.state).resolve()
