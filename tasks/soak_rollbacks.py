"""A release that did badly in its soak: the evidence as an artifact, people told, and a rollback begun."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from prefect import get_run_logger
from prefect.deployments import run_deployment
from prefect.settings import get_current_settings

from blocks.service import Service
from fleet import naming
from fleet.notices import Change
from fleet.remediation.folders import Folder
from fleet.remediation.pauses import in_force
from fleet.remediation.redaction import last_lines
from fleet.soak import Sight, Soak, Traffic
from fleet.state import Droplet
from tasks import notices, queues
from tasks.logs import read_log
from tasks.policy import settle
from tasks.reports import fenced, publish, table

DEPLOYMENT: Final = "rollback/rollback"
LOG_LINES: Final = 60
LOGS: Final = 10
"""Droplets whose log is in the evidence."""


@dataclass(frozen=True)
class Case:
    """A release that did badly, and what was seen of it."""

    service: Service
    container: str
    soak: Soak
    sight: Sight
    droplets: tuple[Droplet, ...]
    """Those of the service that answered."""


def healing() -> Path:
    """Where the controller keeps what is paused: beside Prefect's home folder."""
    return get_current_settings().home.parent / "healing"


def paused(container: str, now: datetime) -> bool:
    """Whether a person has said that nothing is to be done by itself about this service (`pause`, docs/healing.md)."""
    names = (container, naming.service_of(container))
    found = in_force(Folder(healing()).read_pauses(), now)
    return any(one.scope == "everything" or (one.scope == "service" and one.name in names) for one in found)


def begin(case: Case) -> None:
    """Starts the flow `rollback`, which takes every droplet to the release before or none; does not wait for it.

    A run that was started for this try already is not started again.
    """
    soak = case.soak
    document = {"block_document_id": str(case.service._block_document_id)}
    parameters = {"service": {"$ref": document}, "release": soak.before}
    key = f"soak-{soak.release}-{soak.tries}"
    run_deployment(
        DEPLOYMENT,
        parameters=parameters,
        timeout=0,
        as_subflow=False,
        idempotency_key=key,
        work_queue_name=queues.HEALING,
    )
    get_run_logger().warning("%s: back to %s: %s", case.service.name, soak.before, soak.why)


def tell(case: Case) -> None:
    """The evidence as an artifact, with the last lines of the release; and people are told."""
    environment = case.service.environment
    publish(f"soak-{environment.title()}-{case.service.name}", _page(case), case.soak.release)
    notices.tell(environment, [_change(case.service.name, case.soak)])


def _change(service: str, soak: Soak) -> Change:
    subject = f"{service} {soak.release}"
    if soak.word == "back":
        return Change(subject, "taken back", "over", soak.why, soak.since)
    if soak.word == "given up":
        hint = "Look at the runs of rollback, then roll back or deploy by hand."
        return Change(subject, "taken back", "still serving", soak.why, soak.since, hint)
    hint = f"Nothing has to be done at once: {soak.before} serves again in a moment. Mend the release, and deploy."
    return Change(subject, "soaking", "taken back", soak.why, soak.since, hint)


def _page(case: Case) -> str:
    soak, sight = case.soak, case.sight
    counted = [(one, _told(sight.traffic.get(one))) for one in (soak.release, soak.before)]
    parts = [f"# Soak of {case.service.name} · {soak.release}", f"**{soak.word}**: {soak.why}"]
    parts += [f"It has served since {soak.since:%Y-%m-%d %H:%M:%S} UTC.", table(["release", "counted"], counted)]
    parts += [f"The container that restarted most often did so {sight.restarts} times."]
    parts += [f"⚠️ {sight.silent} droplets did not answer."] if sight.silent else []
    return "\n\n".join([*parts, *_logs(case)])


def _logs(case: Case) -> list[str]:
    """The last lines on each droplet of the service, redacted."""
    some, environment = case.droplets[:LOGS], case.service.environment
    futures = [read_log.submit(one, case.container, LOG_LINES, environment) for one in some]
    texts, _ = settle([one.name for one in some], futures)
    return [f"## {host}\n\n{fenced(chr(10).join(last_lines(text.splitlines())))}" for host, text in texts.items()]


def _told(traffic: Traffic | None) -> str:
    return str(traffic) if traffic else "nothing: nginx has not counted it since its start"
