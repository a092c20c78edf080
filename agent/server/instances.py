"""A managed container as Docker is told of it, and as it is read back: every fact lives in a label.

Two networks and two prefixes can share one Docker Engine: `Place` says where this agent's containers live.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agent import wire
from agent.docker_api import moment
from agent.server.ports import EngineError, Instance

MIB: Final = 1 << 20
PROCESSES: Final = 2048
STOP_SECONDS: Final = 10
"""Between SIGTERM and SIGKILL, once a web container's requests have ended."""
NO_NAMES: Final[Mapping[str, str]] = {}
LOG_OPTIONS: Final = {"max-size": "10m", "max-file": "3"}
BASE_TAG: Final = "local/base:latest"
"""The image inside a custom snapshot."""
_RELEASE: Final = f"{wire.NAME.strip('^$')}:{wire.RELEASE.strip('^$')}"
_SUFFIXES: Final[dict[str, wire.Role]] = {"candidate": "candidate", "previous": "previous", "parked": "parked"}


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


def configuration(
    place: Place,
    name: str,
    spec: wire.ContainerSpec,
    address: str,
    secrets: Path | None,
    names: Mapping[str, str] = NO_NAMES,
) -> Any:
    """The body of Docker's create call; `names` are the tcp services that it shall know, with their addresses."""
    body = {
        "Image": spec.image,
        "Hostname": name.rpartition("_")[2],
        "Env": [f"{key}={value}" for key, value in _environment(place, name, spec).items()],
        "Labels": labels(place, name, spec, address),
        "StopTimeout": STOP_SECONDS if spec.kind == "web" else spec.drain_seconds,
        "HostConfig": {
            "NetworkMode": place.network,
            "RestartPolicy": {"Name": "no" if spec.kind == "scheduled" else "unless-stopped"},
            "LogConfig": {"Type": "json-file", "Config": LOG_OPTIONS},
            "Memory": spec.memory_mib * MIB,
            "MemorySwap": spec.memory_mib * MIB,
            "NanoCpus": int(spec.cpus * 1_000_000_000),
            "PidsLimit": PROCESSES,
            "SecurityOpt": ["no-new-privileges"],
            "ExtraHosts": [f"{peer}:{where}" for peer, where in sorted(names.items())],
            "Mounts": [*_mounts(place, name, spec), *([_secrets(secrets)] if secrets else [])],
        },
        "NetworkingConfig": {"EndpointsConfig": {place.network: {"IPAMConfig": {"IPv4Address": address}}}},
    }
    return body | ({"Cmd": list(spec.command)} if spec.command else {})


def volume_name(name: str, volume: str) -> str:
    """What Docker calls a named volume of a service."""
    return f"{name}_{volume}"


def volume_labels(place: Place, name: str, volume: str) -> dict[str, str]:
    """The labels of a named volume; without them it is not ours and is never removed."""
    return {f"{place.label}.name": name, f"{place.label}.volume": volume}


def labels(place: Place, name: str, spec: wire.ContainerSpec, address: str) -> dict[str, str]:
    """All that the agent must know of a container when it has only Docker to ask."""
    facts = {
        "name": name,
        "release": spec.release,
        "image": spec.image,
        "address": address,
        "kind": spec.kind,
        "port": str(spec.port or 0),
        "hosts": ",".join(spec.hosts),
        "health": spec.health.model_dump_json(),
        "drain": str(spec.drain_seconds),
        "memory": str(spec.memory_mib),
        "pinned": pinned(spec),
        **_facts_of_kind(spec),
    }
    return {f"{place.label}.{key}": value for key, value in facts.items()}


def _facts_of_kind(spec: wire.ContainerSpec) -> dict[str, str]:
    """The facts that only some have, in labels that only they carry."""
    facts = {
        "steady": str(spec.steady_seconds) if spec.kind == "worker" else "",
        "exclusive": "true" if spec.exclusive else "",
        "cron": spec.cron.model_dump_json() if spec.cron else "",
        "volumes": json.dumps([one.model_dump() for one in spec.volumes]) if spec.volumes else "",
        "log": spec.log.model_dump_json() if spec.log != wire.LogRules() else "",
    }
    return {key: value for key, value in facts.items() if value}


def release_tag(label: str, name: str, release: str) -> str:
    """The tag that an image gets for a release: it says that the image was brought here to run it."""
    return f"{label}/{name}:{release}"


def may_go(label: str, image: wire.Image) -> bool:
    """Whether an image goes once nothing uses it: it has no tag, or a release here has run it.

    What custom snapshots hold for builds to begin with stays, whatever has run it.
    """
    _, ours = sort_tags(label, image)
    return BASE_TAG not in image.tags and bool(ours or not image.tags)


def sort_tags(label: str, image: wire.Image) -> tuple[list[str], list[str]]:
    """An image's tags: those that somebody gave it, and those of releases."""
    ours = [tag for tag in image.tags if re.fullmatch(f"{re.escape(label)}/{_RELEASE}", tag)]
    return [tag for tag in image.tags if tag not in ours], ours


def pinned(spec: wire.ContainerSpec) -> str:
    """The digest of a specification; of the secrets only the names, so that a label tells nothing of their values.

    What has its default is left out: a field that a newer agent adds does not make another specification.
    """
    document = spec.model_dump_json(exclude={"secrets"}, exclude_defaults=True) + ",".join(sorted(spec.secrets))
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
        port=int(facts["port"]) or None,
        hosts=tuple(host for host in facts["hosts"].split(",") if host),
        health=wire.Health.model_validate_json(facts["health"]),
        drain_seconds=int(facts["drain"]),
        memory_mib=int(facts["memory"]),
        restarts=int(inspected.get("RestartCount", 0)),
        started_at=moment(state.get("StartedAt", "")),
        ended_at=moment(state.get("FinishedAt", "")),
        exit_code=int(state.get("ExitCode", 0)),
        oom=bool(state.get("OOMKilled")),
        pid=int(state.get("Pid", 0)),
        variables=tuple(pair.partition("=")[0] for pair in inspected["Config"].get("Env") or ()),
        error=state.get("Error", ""),
        created_at=moment(inspected.get("Created", "")),
        pinned=facts["pinned"],
        **_kind(facts),
    )


def _kind(facts: dict[str, str]) -> dict[str, Any]:
    """What depends on the kind; a container from before there were kinds is `web`."""
    cron = facts.get("cron")
    return {
        "kind": facts.get("kind", "web"),
        "exclusive": facts.get("exclusive") == "true",
        "steady_seconds": int(facts.get("steady", "5")),
        "cron": wire.Cron.model_validate_json(cron) if cron else None,
        "volumes": tuple(wire.Volume.model_validate(one) for one in json.loads(facts.get("volumes", "[]"))),
        "log": wire.LogRules.model_validate_json(facts.get("log", "{}")),
    }


def _role(full_name: str, name: str) -> wire.Role:
    suffix = full_name.removeprefix("/").removeprefix(name).removeprefix(".")
    return "kept" if suffix.startswith("kept-") else _SUFFIXES.get(suffix, "current")


def _environment(place: Place, name: str, spec: wire.ContainerSpec) -> dict[str, str]:
    service = name.rpartition("_")[2]
    ours = {"DEPLOYER_RELEASE": spec.release, "DEPLOYER_DROPLET": place.droplet, "DEPLOYER_SERVICE": service}
    return {**spec.environment, **ours}


def _mounts(place: Place, name: str, spec: wire.ContainerSpec) -> list[dict[str, Any]]:
    """The named volumes; Docker makes those that are not there yet."""
    return [
        {
            "Type": "volume",
            "Source": volume_name(name, one.name),
            "Target": one.path,
            "VolumeOptions": {"Labels": volume_labels(place, name, one.name)},
        }
        for one in spec.volumes
    ]


def _secrets(secrets: Path) -> dict[str, Any]:
    return {"Type": "bind", "Source": str(secrets), "Target": "/run/secrets", "ReadOnly": True}
