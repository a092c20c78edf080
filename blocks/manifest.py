"""What a deploy leaves of a service on its droplets, and the block that is made of it on a controller that has lost it.

A manifest is JSON: the fields of the block and of its environment as a person filled them in, without any credential.
Of secrets it has the names, so that they can be asked for. What it does not know is left at its default: a controller
of the version before, or after, reads it too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError

from blocks.environment import Environment
from blocks.service import GIT_TOKEN, Service
from fleet.errors import InvalidInput

FORMAT: Final = 1
SETTINGS: Final = (
    "size",
    "production",
    "approval",
    "approval_minutes",
    "replaceable",
    "proof_seconds",
    "lease_seconds",
)
"""Fields of an environment that a person decides about, and that have a default."""
_ELSEWHERE: Final = {"environment", "secrets", "missing_secrets", "block_type_slug"}
Fields = Mapping[str, Any]


@dataclass(frozen=True)
class Manifest:
    """A manifest, read."""

    block: str
    """What the block's document was called; empty: nobody knows."""
    service: Fields
    secrets: tuple[str, ...]
    """Names of secrets that the service had."""
    environment: Fields = field(default_factory=dict)
    """`SETTINGS`, region and zone, as the environment had them."""
    snapshot: str = ""
    """The name of its default snapshot; empty: it had none."""
    asks: tuple[str, ...] = ()
    """Fields of the environment that held secrets or other blocks."""


def write(service: Service) -> str:
    """The manifest of a service, as JSON; nothing in it is secret."""
    where = service.environment
    fields = service.model_dump(mode="json", exclude={*_ELSEWHERE, "image"})
    image = service.image.model_dump(mode="json", exclude={"token", "password"})
    held = {"notifications": where.notifications is not None, "heartbeat_url": bool(where.heartbeat_url)}
    document = {
        "format": FORMAT,
        "block": service._block_document_name or "",  # Prefect has no public word for it
        "service": {key: value for key, value in fields.items() if key not in _ELSEWHERE} | {"image": image},
        "secrets": service.secret_names(),
        "environment": {key: getattr(where, key) for key in SETTINGS} | {"region": where.region, "zone": _zone(where)},
        "snapshot": where.snapshot.name if where.snapshot else "",
        "asks": sorted(name for name, there in held.items() if there),
    }
    return json.dumps(document, sort_keys=True)


def read(document: str) -> Manifest:
    """The manifest that a droplet kept.

    Raises:
        InvalidInput: it cannot be understood, e.g. because it is of a much later version.
    """
    try:
        found = json.loads(document)
        return Manifest(
            block=str(found.get("block", "")),
            service=dict(found["service"]),
            secrets=tuple(map(str, found.get("secrets", ()))),
            environment=dict(found.get("environment", {})),
            snapshot=str(found.get("snapshot", "")),
            asks=tuple(map(str, found.get("asks", ()))),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(
            f"A manifest cannot be understood: {type(error).__name__}: {error}.",
            hint="Make the Service block by hand; its next deploy leaves a new one.",
        ) from error


def rebuild(manifest: Manifest, environment: Environment) -> Service:
    """The block, with the names of the secrets that nobody could read back.

    Raises:
        InvalidInput: it does not fit this version, or its environment; the message says what.
    """
    known = {key: value for key, value in manifest.service.items() if key in Service.model_fields}
    given = {**known, "environment": environment, "secrets": {}, "missing_secrets": list(manifest.secrets)}
    try:
        made = Service.model_validate(given)
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:5])
        raise InvalidInput(
            f"The manifest of {manifest.service.get('name', 'a service')} does not fit this version: {told}.",
            hint="Make the Service block by hand.",
        ) from error
    made.spec()
    return made


def settle(environment: Environment, manifest: Manifest) -> tuple[dict[str, Any], list[str]]:
    """What the environment's block is to become, and in words what differs and stays, or has to be filled in again.

    Only what still has its default is taken over: what a person has chosen here since, stays.
    """
    changes: dict[str, Any] = {}
    notes = [f"{name} was filled in, and cannot be read back: fill it in again" for name in manifest.asks]
    for name, value in manifest.environment.items():
        here = _zone(environment) if name == "zone" else getattr(environment, name, value)
        if here == value:
            continue
        if name in SETTINGS and here == Environment.model_fields[name].default:
            changes[name] = value
        else:
            notes.append(f"{name} was {value!r}, and is {here!r} here: it stays")
    return changes, [note for note in notes if not _is_filled(note.partition(" ")[0], environment)]


def _is_filled(name: str, environment: Environment) -> bool:
    return name in ("notifications", "heartbeat_url") and bool(getattr(environment, name))


def _zone(environment: Environment) -> str:
    return environment.cloudflare.zone


__all__ = ["GIT_TOKEN", "Manifest", "read", "rebuild", "settle", "write"]
