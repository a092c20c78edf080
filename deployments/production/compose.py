"""The controller as a Compose file, rendered from the same parts: one image, one network, Postgres beside it."""

from __future__ import annotations

from typing import Any

import yaml

from deployments.production.parts import Part, migration, parts
from deployments.production.settings import ProductionSettings

IMAGE = "deployer-controller"
HOME = "/opt/deployer"
POSTGRES = "postgres:17"


def render(settings: ProductionSettings) -> str:
    """The file's text; no secret is in it, they are in `.env`, which every container is shown.

    All containers share the network of one that only waits, so that the parts find each other on loopback as on one
    machine, and nothing but the gateway's port is published.
    """
    every = {part.name: _service(part) for part in parts(settings)}
    every["deployer-gateway"]["depends_on"]["deployer-api-1"] = {"condition": "service_started"}
    services: dict[str, Any] = {
        "network": {**_base("sleep", "infinity"), "ports": [f"{settings.gateway_port}:{settings.gateway_port}"]},
        "postgres": _postgres(),
        migration(settings).name: _migration(),
        **every,
        "deployer-registration": {
            **_base("python", "-m", "deployments", "production", "apply"),
            "network_mode": "service:network",
            "restart": "on-failure",
            "depends_on": {"deployer-gateway": {"condition": "service_started"}},
        },
    }
    document = {"name": "deployer", "services": services, "volumes": {"database": {}, "state": {}, "place": {}}}
    return yaml.safe_dump(document, sort_keys=False)


def _base(*command: str) -> dict[str, Any]:
    return {
        "image": IMAGE,
        "build": {"context": ".", "dockerfile": "deployments/production/Dockerfile"},
        "command": list(command),
        "restart": "always",
        "init": True,
        "volumes": [f"./.env:{HOME}/.env:ro", f"state:{HOME}/.state", "place:/etc/deployer"],
    }


def _service(part: Part) -> dict[str, Any]:
    told: dict[str, Any] = {
        **_base("python", "-m", "deployments", "production", "run", part.name),
        "network_mode": "service:network",
        "depends_on": {"deployer-migration": {"condition": "service_completed_successfully"}},
    }
    return {**told, "stop_grace_period": "1h"} if part.ends_alone else told


def _migration() -> dict[str, Any]:
    return {
        **_base("python", "-m", "deployments", "production", "migrate"),
        "network_mode": "service:network",
        "restart": "on-failure",
        "depends_on": {"postgres": {"condition": "service_healthy"}},
    }


def _postgres() -> dict[str, Any]:
    return {
        "image": POSTGRES,
        "restart": "always",
        "network_mode": "service:network",
        "environment": {
            "POSTGRES_USER": "deployer",
            "POSTGRES_PASSWORD": "${DEPLOYER_DATABASE_PASSWORD:?is made by python -m deployments production compose}",
        },
        "healthcheck": {"test": ["CMD", "pg_isready", "--username", "deployer"], "interval": "2s", "retries": 60},
        "volumes": ["database:/var/lib/postgresql/data"],
    }
