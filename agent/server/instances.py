"""A managed container as Docker is told of it, and as it is read back: every fact lives in a label.

Two networks and two prefixes can share one Docker Engine: `Place` says where this agent's containers live.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agent import wire
from agent.server.ports import EngineError, Instance
from agent.server.streams import moment

MIB: Final = 1 << 20
PROCESSES: Final = 2048
LOG_OPTIONS: Final = {"max-size": "10m", "max-file": "3"}
_SUFFIXES: Final[dict[str, wire.Role]] = {"candidate": "candidate", "previous": "previous"}


@dataclass(frozen=True)
class Place:
    """Where the agent's containers live on the droplet."""

    droplet: str
    network: str = "deployer"
    subnet: str = "172.30.0.0/16"
    label: str = "deployer"
    """The prefix of the labels; containers without `{label}.name` are not ours and are never touched."""

    @property
    def gateway(self) -> str:
        """The droplet's own address in the network."""
        return str(next(ipaddress.ip_network(self.subnet).hosts()))


def free_address(place: Place, taken: Iterable[str]) -> str:
    """The lowest address that no container of ours has, stopped ones included; the first 15 are left to Docker."""
    used = set(taken)
    for number, address in enumerate(ipaddress.ip_network(place.subnet).hosts()):
        if number >= 15 and str(address) not in used:
            return str(address)
    raise EngineError(f"No address is free in {place.subnet}.", 409)


def configuration(place: Place, name: str, spec: wire.ContainerSpec, address: str, secrets: Path | None) -> Any:
    """The body of Docker's create call."""
    return {
        "Image": spec.image,
        "Hostname": name.rpartition("_")[2],
        "Env": [f"{key}={value}" for key, value in _environment(place, name, spec).items()],
        "Labels": labels(place, name, spec, address),
        "StopTimeout": 10,
        "HostConfig": {
            "NetworkMode": place.network,
            "RestartPolicy": {"Name": "unless-stopped"},
            "LogConfig": {"Type": "json-file", "Config": LOG_OPTIONS},
            "Memory": spec.memory_mib * MIB,
            "MemorySwap": spec.memory_mib * MIB,
            "NanoCpus": int(spec.cpus * 1_000_000_000),
            "PidsLimit": PROCESSES,
            "SecurityOpt": ["no-new-privileges"],
            "Mounts": [_mount(secrets)] if secrets else [],
        },
        "NetworkingConfig": {"EndpointsConfig": {place.network: {"IPAMConfig": {"IPv4Address": address}}}},
    }


def labels(place: Place, name: str, spec: wire.ContainerSpec, address: str) -> dict[str, str]:
    """All that the agent must know of a container when it has only Docker to ask."""
    facts = {
        "name": name,
        "release": spec.release,
        "image": spec.image,
        "address": address,
        "port": str(spec.port or 0),
        "hosts": ",".join(spec.hosts),
        "health": spec.health.model_dump_json(),
        "drain": str(spec.drain_seconds),
        "memory": str(spec.memory_mib),
        "pinned": pinned(spec),
    }
    return {f"{place.label}.{key}": value for key, value in facts.items()}


def pinned(spec: wire.ContainerSpec) -> str:
    """The digest of a specification; of the secrets only the names, so that a label tells nothing of their values."""
    document = spec.model_dump_json(exclude={"secrets"}) + ",".join(sorted(spec.secrets))
    return hashlib.sha256(document.encode()).hexdigest()


def parse(place: Place, inspected: dict[str, Any]) -> Instance:
    """A container from Docker's description of it."""
    facts = {key.removeprefix(f"{place.label}."): value for key, value in inspected["Config"]["Labels"].items()}
    state = inspected["State"]
    return Instance(
        id=inspected["Id"],
        name=facts["name"],
        role=_role(inspected["Name"], facts["name"]),
        release=facts["release"],
        image=facts["image"],
        status=state["Status"],
        address=facts["address"],
        port=int(facts["port"]),
        hosts=tuple(host for host in facts["hosts"].split(",") if host),
        health=wire.Health.model_validate_json(facts["health"]),
        drain_seconds=int(facts["drain"]),
        memory_mib=int(facts["memory"]),
        restarts=int(inspected.get("RestartCount", 0)),
        started_at=moment(state.get("StartedAt", "")),
        exit_code=int(state.get("ExitCode", 0)),
        error=state.get("Error", ""),
        pinned=facts["pinned"],
    )


def _role(full_name: str, name: str) -> wire.Role:
    return _SUFFIXES.get(full_name.removeprefix("/").removeprefix(name).removeprefix("."), "current")


def _environment(place: Place, name: str, spec: wire.ContainerSpec) -> dict[str, str]:
    service = name.rpartition("_")[2]
    ours = {"DEPLOYER_RELEASE": spec.release, "DEPLOYER_DROPLET": place.droplet, "DEPLOYER_SERVICE": service}
    return {**spec.environment, **ours}


def _mount(secrets: Path) -> dict[str, Any]:
    return {"Type": "bind", "Source": str(secrets), "Target": "/run/secrets", "ReadOnly": True}
