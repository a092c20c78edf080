"""A release that did badly in its soak: the evidence as an artifact, people told, and a rollback begun."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from prefect import get_run_logger
from prefect.deployments import run_deployment
from prefect.settings import get_current_settings

from blocks.service import Service
from fleet import naming
from fleet.errors import DeployerError
from fleet.notices import Change
from fleet.remediation.folders import Folder
from fleet.remediation.pauses import in_force
from fleet.remediation.redaction import last_lines
from fleet.soak import Sight, Soak, Traffic
from fleet.state import Droplet
from tasks import notices
from tasks.logs import read_log
from tasks.policy import settle
from tasks.reports import fenced, publish, table

DEPLOYMENT: Final = "rollback/rollback"
LOG_LINES: Final = 60
LOGS: Final = 10
"""Droplets whose log is in the evidence."""


def healing() -> Path:
    """Where the controller keeps what is paused: beside Prefect's home folder."""
    return get_current_settings().home.parent / "healing"


def paused(container: str, now: datetime) -> bool:
    """Whether a person has said that nothing is to be done by itself about this service (`pause`, docs/healing.md)."""
    folder = Folder(healing())
    names = (container, naming.service_of(container))
    return any(one.scope == "everything" or one.name in names for one in in_force(folder.read_pauses(), now))


def begin(service: Service, found: Soak) -> None:
    """Starts the flow `rollback`, which takes every droplet to the release before or none; does not wait for it.

    A run that was started for this try already is not started again.
    """
    parameters = {"service": {"$ref": {"block_document_id": str(service._block_document_id)}}, "release": found.before}
    key = f"soak-{found.release}-{found.tries}"
    run_deployment(DEPLOYMENT, parameters=parameters, timeout=0, as_subflow=False, idempotency_key=key)
    get_run_logger().warning("%s: %s is taken back to %s: %s", service.name, found.release, found.before, found.why)


def tell(service: Service, found: Soak, seen: Sight, droplets: Sequence[Droplet]) -> None:
    """The evidence as an artifact, with the last lines of the release; and people are told."""
    environment = service.environment
    publish(f"soak-{environment.title()}-{service.name}", _page(service, found, seen, droplets), found.release)
    notices.tell(environment, [_change(service, found)])


def _change(service: Service, found: Soak) -> Change:
    subject = f"{service.name} {found.release}"
    if found.word == "back":
        return Change(subject, "taken back", "over", found.why, found.since)
    if found.word == "given up":
        hint = "Look at the runs of rollback, then roll back or deploy by hand."
        return Change(subject, "taken back", "still serving", found.why, found.since, hint)
    hint = f"Nothing has to be done at once: {found.before} serves again in a moment. Mend the release, and deploy."
    return Change(subject, "soaking", "taken back", found.why, found.since, hint)


def _page(service: Service, found: Soak, seen: Sight, droplets: Sequence[Droplet]) -> str:
    counted = [(one, _told(seen.traffic.get(one))) for one in (found.release, found.before)]
    parts = [f"# Soak of {service.name} · {found.release}", f"**{found.word}**: {found.why}"]
    parts += [f"It has served since {found.since:%Y-%m-%d %H:%M:%S} UTC.", table(["release", "counted"], counted)]
    parts += [f"The container that restarted most often did so {seen.restarts} times."]
    parts += [f"⚠️ {seen.silent} droplets did not answer."] if seen.silent else []
    return "\n\n".join([*parts, *_logs(service, droplets)])


def _logs(service: Service, droplets: Sequence[Droplet]) -> list[str]:
    """The last lines on each droplet of the service, redacted."""
    environment = service.environment
    try:
        owner = environment.digitalocean.client().account.read_owner()
    except DeployerError as error:
        return [f"Its logs could not be read: {error}"]
    name = naming.container(owner, environment.spec(), service.name)
    some = droplets[:LOGS]
    futures = [read_log.submit(one, name, LOG_LINES, environment) for one in some]
    texts, _ = settle([one.name for one in some], futures)
    return [f"## {host}\n\n{fenced(chr(10).join(last_lines(text.splitlines())))}" for host, text in texts.items()]


def _told(traffic: Traffic | None) -> str:
    return str(traffic) if traffic else "nothing: nginx has not counted it since its start"
