"""What is done with a whole production controller: bring it up, take it down, look at it, upgrade it part by part."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator

import httpx

from deployments.processes import ProcessFailed
from deployments.production.parts import Part, apis, gateway, migration, parts, redis, services, workers
from deployments.production.settings import ProductionSettings
from deployments.production.supervisors import Supervisor
from deployments.settings import ROOT

READY_SECONDS = 180
MIGRATION_SECONDS = 900
POLL_SECONDS = 0.5


def start_servers(settings: ProductionSettings, supervisor: Supervisor) -> Iterator[str]:
    """Redis, database, API servers one after another, gateway, services: gives a line when each is there.

    One after another, because two API servers that begin on an empty database at once trip over each other.

    Raises:
        ProcessFailed: one was not ready in time; the message holds its last lines.
    """
    yield _ensure(supervisor, redis(settings))
    if not all(supervisor.runs(part) for part in apis(settings)):
        yield migrate(settings, supervisor.user)
    for part in (*apis(settings), gateway(settings), services(settings)):
        yield _ensure(supervisor, part)


def start_workers(settings: ProductionSettings, supervisor: Supervisor) -> Iterator[str]:
    """The workers, once their pool is registered."""
    for part in workers(settings):
        yield _ensure(supervisor, part)


def stop(settings: ProductionSettings, supervisor: Supervisor) -> Iterator[str]:
    """Ends all parts, workers first; each worker sees its runs to their end. The database stays."""
    for part in reversed(parts(settings)):
        if supervisor.stop(part):
            yield f"{part.name}: stopped"


def status(settings: ProductionSettings, supervisor: Supervisor) -> dict[str, bool]:
    """Which parts run and answer, by name."""
    return {part.name: supervisor.runs(part) and _is_ready(part) for part in parts(settings)}


def upgrade(settings: ProductionSettings, supervisor: Supervisor) -> Iterator[str]:
    """Puts the code and the settings that are here in the place of what runs, without an outage.

    The database first, then one API server after the other, so that one always answers; the gateway; the services;
    then one worker after the other, each of which sees its runs to their end while the other takes new ones. One that
    does not come up ends the upgrade: what was not reached runs on as it was, and the same command goes on from there.

    Raises:
        ProcessFailed: a part was not ready in time; the message holds its last lines.
    """
    yield migrate(settings, supervisor.user)
    for part in apis(settings):
        yield _exchange(supervisor, part)
    yield refresh(settings, supervisor)
    for part in (services(settings), *workers(settings)):
        yield _exchange(supervisor, part)


def refresh(settings: ProductionSettings, supervisor: Supervisor) -> str:
    """Has the gateway read its files again: people, roles, certificate; no request is cut off.

    Raises:
        ProcessFailed: nginx refuses the files; it goes on with those that it had.
    """
    part = gateway(settings)
    tried = subprocess.run([*part.command, "-t"], capture_output=True, text=True, timeout=30, check=False)
    if tried.returncode:
        raise ProcessFailed(f"nginx refuses the gateway's files and goes on with the old ones:\n{tried.stderr.strip()}")
    if not supervisor.runs(part):
        return _ensure(supervisor, part)
    supervisor.reload(part)
    return f"{part.name}: read its files again"


def migrate(settings: ProductionSettings, user: str | None) -> str:
    """Brings the database to this version of Prefect.

    Args:
        settings: of the controller.
        user: whom Postgres' socket lets in; none: whoever runs this.

    Raises:
        ProcessFailed: it could not be; the message holds Prefect's last lines.
    """
    part = migration(settings)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment = {**clean, **part.values, **part.secrets}
    done = subprocess.run(
        part.command,
        env=environment,
        cwd=ROOT,
        user=user,
        group=user,
        extra_groups=[] if user else None,
        capture_output=True,
        text=True,
        timeout=MIGRATION_SECONDS,
        check=False,
    )
    if done.returncode:
        lines = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise ProcessFailed(f"The database could not be brought to this version; nothing was restarted.\n{lines}")
    return "Database: at this version"


def _exchange(supervisor: Supervisor, part: Part) -> str:
    supervisor.stop(part)
    return _ensure(supervisor, part)


def _ensure(supervisor: Supervisor, part: Part) -> str:
    started = supervisor.start(part)
    end = time.monotonic() + READY_SECONDS
    while not _is_ready(part):
        if not supervisor.runs(part) or time.monotonic() > end:
            raise ProcessFailed(f"{part.name} was not ready. Its last lines:\n{supervisor.tail(part)}")
        time.sleep(POLL_SECONDS)
    return f"{part.name}: {'started' if started else 'runs'}"


def _is_ready(part: Part) -> bool:
    if part.ready is None:
        return True
    name, _, password = part.secrets.get("PREFECT_API_AUTH_STRING", "").partition(":")
    try:
        return httpx.get(part.ready, auth=(name, password), timeout=5).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
