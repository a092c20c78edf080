"""A service as the agents know it."""

from __future__ import annotations

from typing import Any

from agent import wire
from fleet.spec import Runs, Scheduled, ServiceSpec, Tcp, Web, Worker
from fleet.state import Image

STEADY_SLACK_SECONDS = 30
"""What a container may take to start, on top of the time that it must run without a restart."""


def wire_spec(spec: ServiceSpec, image: Image, release: str) -> wire.ContainerSpec:
    """What the agent has to know to run a release."""
    return wire.ContainerSpec(
        release=release,
        image=image.id,
        **_kind(spec.runs),
        health=_health(spec),
        log=wire.LogRules(ignore=spec.log.ignore, min_errors=spec.log.min_errors),
        volumes=tuple(wire.Volume(name=one.name, path=one.path) for one in spec.volumes),
        command=spec.command,
        environment=dict(spec.variables),
        secrets=dict(spec.secrets),
        memory_mib=spec.memory_mib,
        cpus=spec.cpus,
        drain_seconds=spec.drain_seconds,
    )


def _kind(runs: Runs) -> dict[str, Any]:
    match runs:
        case Web(port, domains):
            return {"kind": "web", "port": port, "hosts": domains}
        case Tcp(port):
            return {"kind": "tcp", "port": port}
        case Worker(exclusive, steady_seconds):
            return {"kind": "worker", "exclusive": exclusive, "steady_seconds": steady_seconds}
        case Scheduled():
            return {"kind": "scheduled", "cron": _cron(runs)}


def _cron(runs: Scheduled) -> wire.Cron:
    return wire.Cron(
        expression=runs.cron,
        zone=runs.zone,
        overlap=runs.overlap,
        timeout_seconds=runs.timeout_seconds,
        ok_codes=runs.ok_codes,
        failure_tolerance=runs.failure_tolerance,
    )


def _health(spec: ServiceSpec) -> wire.Health:
    steady = spec.runs.steady_seconds + STEADY_SLACK_SECONDS if isinstance(spec.runs, Worker) else 0
    return wire.Health(
        path=spec.health.path,
        start_seconds=max(spec.health.start_seconds, steady),
        timeout_seconds=spec.health.timeout_seconds,
    )
