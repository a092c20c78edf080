"""Scheduled containers of the Docker Engine behind its socket: the real `Containers`."""

from __future__ import annotations

import contextlib
import ipaddress
import json
from datetime import datetime
from typing import Any, Final

from agent import wire
from agent.cron.ports import Job, State
from agent.docker_api import DockerApi, EngineAbsent, EngineError, moment

START_SECONDS: Final = 60.0
_OPTIONS: Final = (
    "NetworkMode", "RestartPolicy", "LogConfig", "Memory", "MemorySwap", "NanoCpus", "PidsLimit", "SecurityOpt",
    "Mounts", "ExtraHosts",
)  # fmt: skip
"""All that an extra container takes over from the one that it is made from."""


class DockerContainers:
    """The containers that carry our labels, found by that of their cron line."""

    def __init__(self, api: DockerApi, label: str = "deployer") -> None:
        self._api = api
        self._label = label

    def jobs(self) -> tuple[Job, ...]:
        """By one question; a container whose labels cannot be read is passed over."""
        found = (self._job(one) for one in self._listed(f"{self._label}.cron"))
        return tuple(job for job in found if job)

    def state(self, id: str) -> State | None:
        """As Docker describes it."""
        try:
            found = self._api.json("GET", f"/containers/{id}/json")["State"]
        except EngineAbsent:
            return None
        return State(
            running=bool(found["Running"]),
            started_at=moment(found.get("StartedAt", "")),
            ended_at=moment(found.get("FinishedAt", "")),
            exit_code=int(found.get("ExitCode", 0)),
            oom=bool(found.get("OOMKilled")),
            error=found.get("Error", ""),
        )

    def start(self, id: str) -> None:
        """Start it."""
        self._api.json("POST", f"/containers/{id}/start", seconds=START_SECONDS)

    def signal(self, id: str, name: str) -> None:
        """At once, without waiting for an effect."""
        try:
            self._api.json("POST", f"/containers/{id}/kill", signal=name)
        except EngineError as error:
            if error.status not in {404, 409}:  # it is gone, or has ended just now
                raise

    def clone(self, job: Job, scheduled_for: datetime) -> str:
        """Under a label of its own, so that the agent does not take it for the service's container."""
        found = self._api.json("GET", f"/containers/{job.id}/json")
        network = found["HostConfig"]["NetworkMode"]
        address = self._free_address(network)
        labels = {
            key: found["Config"]["Labels"][f"{self._label}.{key}"] for key in ("release", "cron", "drain", "memory")
        } | {"run": job.name, "for": scheduled_for.isoformat(), "address": address}
        body = {
            **found["Config"],
            "Labels": {f"{self._label}.{key}": value for key, value in labels.items()},
            "HostConfig": {key: found["HostConfig"][key] for key in _OPTIONS if found["HostConfig"].get(key)},
            "NetworkingConfig": {"EndpointsConfig": {network: {"IPAMConfig": {"IPv4Address": address}}}},
        }
        name = f"{job.name}.run-{scheduled_for:%Y%m%dt%H%M%S}"
        return str(self._api.json("POST", "/containers/create", body, seconds=START_SECONDS, name=name)["Id"])

    def remove(self, id: str) -> None:
        """With its anonymous volumes."""
        with contextlib.suppress(EngineAbsent):
            self._api.json("DELETE", f"/containers/{id}", force=1, v=1)

    def _listed(self, label: str) -> Any:
        return self._api.json("GET", "/containers/json", all=1, filters=json.dumps({"label": [label]}))

    def _job(self, listed: dict[str, Any]) -> Job | None:
        facts = {key.removeprefix(f"{self._label}."): value for key, value in listed["Labels"].items()}
        try:
            name = facts["run"] if "run" in facts else facts["name"]
            return Job(
                id=listed["Id"],
                name=name,
                release=facts["release"],
                cron=wire.Cron.model_validate_json(facts["cron"]),
                current=f"/{name}" in listed["Names"],
                running=listed["State"] == "running",
                extra_for=datetime.fromisoformat(facts["for"]) if "run" in facts else None,
                grace_seconds=int(facts.get("drain", "10")),
            )
        except (KeyError, ValueError):
            return None

    def _free_address(self, network: str) -> str:
        """The highest that no container of ours has; the agent gives out the lowest."""
        subnet = self._api.json("GET", f"/networks/{network}")["IPAM"]["Config"][0]["Subnet"]
        label = f"{self._label}.address"
        taken = {one["Labels"][label] for one in self._listed(label)}
        every = ipaddress.ip_network(subnet)
        for number in range(2, every.num_addresses - 16):
            if str(every[-number]) not in taken:
                return str(every[-number])
        raise EngineError(f"No address is free in {subnet}.", 409)
