"""Services of a Compose file as blocks: all of them checked, then saved, each only where it differs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from blocks.environment import Environment
from blocks.service import Service
from deployments.compose import values
from deployments.compose.document import load
from deployments.compose.environment import Surroundings
from deployments.compose.reading import Imported, read
from fleet.errors import DeployerError, InvalidInput
from fleet.spec import BuildSource, Health, ImageSource, Runs, Scheduled, ServiceSpec, Source, Tcp, Web, Worker


def open_file(path: Path, domains: Mapping[str, str]) -> Imported:
    """The services of a file; variables come from the environment, then from `.env` beside the file.

    Raises:
        InvalidInput: it is not there, or something in it cannot be carried over.
    """
    try:
        source = path.read_text()
        beside = path.with_name(".env")
        variables = values.env_file(beside.read_text(), os.environ) if beside.is_file() else {}
    except (OSError, UnicodeDecodeError, values.Unfit) as error:
        raise InvalidInput(f"{path} or its .env cannot be read: {error}.", hint="Give another file.") from error
    document, findings = load(source, {**variables, **os.environ})
    around = Surroundings(path.resolve().parent, {**variables, **os.environ}, domains)
    return read(document, around, findings, path.name)


def save(imported: Imported, environment: str) -> list[str]:
    """A block for each service, named after its environment and itself; gives a line for each.

    Raises:
        InvalidInput: there is no such environment, or a service does not fit it; then nothing is saved.
    """
    try:
        where = cast(Environment, Environment.load(environment))
    except ValueError as error:  # Prefect's word for a document that is not there
        raise InvalidInput(
            f"There is no environment {environment}.", hint="Make its block in the UI, or name another: --environment."
        ) from error
    made = {f"{environment}-{spec.name}": block(spec, where) for spec in imported.services}
    _check(made)
    return [_save(name, service) for name, service in made.items()]


def block(spec: ServiceSpec, environment: Environment) -> Service:
    """The block that a person would have filled in for this service."""
    return Service.model_validate(
        {
            "name": spec.name,
            "environment": environment,
            "image": _image(spec.source),
            "runs": _runs(spec.runs, spec.health),
            "replicas": spec.replicas,
            "variables": dict(spec.variables),
            "secrets": dict(spec.secrets),
            "volumes": [{"name": one.name, "path": one.path} for one in spec.volumes],
            "command": list(spec.command),
            "memory_mib": spec.memory_mib,
            "cpus": spec.cpus,
            "drain_seconds": spec.drain_seconds,
        }
    )


def _image(source: Source) -> dict[str, Any]:
    match source:
        case BuildSource(context, dockerfile):
            return {"kind": "build", "context": context, "dockerfile": dockerfile}
        case ImageSource(reference):
            return {"kind": "image", "reference": reference}
        case _:
            raise AssertionError(f"a Compose file has no {type(source).__name__}")


def _runs(runs: Runs, health: Health) -> dict[str, Any]:
    times = {"start_seconds": health.start_seconds, "timeout_seconds": health.timeout_seconds}
    match runs:
        case Web(port, domains):
            return {"kind": "web", "port": port, "domains": list(domains), "health_path": health.path, **times}
        case Tcp(port):
            return {"kind": "tcp", "port": port, **times}
        case Worker(exclusive, steady_seconds):
            return {"kind": "worker", "exclusive": exclusive, "steady_seconds": steady_seconds}
        case Scheduled(cron, zone, overlap, seconds):
            return {"kind": "scheduled", "cron": cron, "zone": zone, "overlap": overlap, "run_seconds": seconds}


def _check(made: Mapping[str, Service]) -> None:
    problems: list[str] = []
    for service in made.values():
        try:
            service.spec()
        except DeployerError as error:
            problems.append(f"  {service.name}: {error}")
    if problems:
        raise InvalidInput("It does not fit its environment:\n" + "\n".join(problems) + "\n", hint="Nothing was saved.")


def _save(name: str, service: Service) -> str:
    try:
        known = cast(Service, Service.load(name))
    except ValueError:
        service.save(name)
        return f"Service {name}: made"
    if (known.spec(), known.environment.title()) == (service.spec(), service.environment.title()):
        return f"Service {name}: unchanged"
    service.save(name, overwrite=True)
    return f"Service {name}: changed to what the file says"
