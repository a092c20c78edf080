"""Docker on this droplet: the real `Engine`. Containers here; images in `engine_images`."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from agent import wire
from agent.docker_api import DockerApi
from agent.server import instances
from agent.server.buildkit import BuildKit
from agent.server.engine_images import EngineImages
from agent.server.ports import BuildRequest, EngineAbsent, EngineError, Instance, LogEntry, Stream, full_name
from agent.server.secret_files import SecretFiles
from agent.server.streams import Decoded, log_entries

VERSION_SECONDS: Final = 3.0
START_SECONDS: Final = 60.0
FOLLOW_SECONDS: Final = 3600.0
ANONYMOUS: Final = re.compile(r"[0-9a-f]{64}")


class DockerEngine(EngineImages):
    """Managed containers and images of the Docker Engine behind `api`."""

    def __init__(
        self,
        api: DockerApi,
        place: instances.Place,
        secrets: SecretFiles,
        peers: Callable[[str], Mapping[str, str]] = lambda service: instances.NO_NAMES,
    ) -> None:
        super().__init__(api, place.label)
        self._peers = peers
        self._place = place
        self._secrets = secrets
        self._addresses = threading.Lock()
        self._buildkit = BuildKit(api.path, secrets, self.image)

    def build(self, context: Iterable[bytes], request: BuildRequest) -> Stream[wire.BuildEvent]:
        """Build with the classic builder, or with BuildKit where the request says so."""
        return self._buildkit.build(context, request) if request.buildkit else super().build(context, request)

    def version(self) -> str:
        """Docker's version; answers within VERSION_SECONDS or raises EngineDown."""
        return str(self._api.json("GET", "/version", seconds=VERSION_SECONDS)["Version"])

    def instances(self, name: str | None = None) -> tuple[Instance, ...]:
        """All managed containers, or one service's, in the order of their names."""
        wanted = json.dumps({"label": [f"{self._place.label}.name" + (f"={name}" if name else "")]})
        listed = self._api.json("GET", "/containers/json", all=1, filters=wanted)
        found = [self._inspect(one["Id"]) for one in listed]
        return tuple(sorted(filter(None, found), key=lambda one: one.full_name))

    def strangers(self) -> tuple[str, ...]:
        """Names of all containers without a label of ours, in order."""
        listed, ours = self._api.json("GET", "/containers/json", all=1), f"{self._place.label}."
        foreign = [one for one in listed if not any(label.startswith(ours) for label in one["Labels"] or {})]
        return tuple(sorted((one["Names"] or [one["Id"]])[0].lstrip("/") for one in foreign))

    def volume_names(self) -> tuple[str, ...]:
        """All volumes but those that Docker named itself, which go with their container."""
        listed = self._api.json("GET", "/volumes")["Volumes"] or []
        return tuple(sorted(one["Name"] for one in listed if not ANONYMOUS.fullmatch(one["Name"])))

    def create(self, name: str, spec: wire.ContainerSpec) -> Instance:
        """Create a candidate, its image tagged, its secrets in place, its address chosen; it does not run yet."""
        target = full_name(name, "candidate")
        self.tag(spec.image, instances.release_tag(self._place.label, name, spec.release))
        with self._addresses:  # two creations at once must not choose the same address
            self._ensure_network()
            address = instances.free_address(self._place, [one.address for one in self.instances()])
            folder = self._secrets.write(name, spec.release, spec.secrets)
            peers = self._peers(name.rpartition("_")[2])
            body = instances.configuration(self._place, name, spec, address, folder, peers)
            self._api.json("POST", "/containers/create", body, seconds=START_SECONDS, name=target)
        made = self._inspect(target)
        if made is None:
            raise EngineAbsent(f"{target} was removed while it was created.", 404)
        return made

    def start(self, full_name: str) -> None:
        """Start it; running already is fine."""
        self._api.json("POST", f"/containers/{full_name}/start", seconds=START_SECONDS)

    def stop(self, full_name: str, seconds: int) -> None:
        """SIGTERM, then SIGKILL after `seconds`; stopped already is fine."""
        self._api.json("POST", f"/containers/{full_name}/stop", seconds=seconds + 30.0, t=seconds)

    def restart(self, full_name: str, seconds: int) -> None:
        """Stop and start in one call of Docker's."""
        self._api.json("POST", f"/containers/{full_name}/restart", seconds=seconds + 60.0, t=seconds)

    def rename(self, instance: Instance, role: wire.Role) -> None:
        """Give it another role. Raises EngineError (409) when that role is taken."""
        target = full_name(instance.name, role, instance.release)
        self._api.json("POST", f"/containers/{instance.id}/rename", name=target)

    def remove(self, full_name: str, keep_secrets: bool = False) -> None:
        """Remove it with its anonymous volumes and its secrets; absent is fine. Named volumes stay."""
        found = self._inspect(full_name)
        if found is None:
            return
        try:
            self._api.json("DELETE", f"/containers/{found.id}", force=1, v=1)
        except EngineError as error:
            if not isinstance(error, EngineAbsent) and "already in progress" not in str(error):
                raise
        if not keep_secrets:
            self._secrets.remove(found.name, found.release)

    def remove_runs(self, name: str) -> int:
        """Those that `deployer-cron` made; they carry a label of their own."""
        wanted = json.dumps({"label": [f"{self._place.label}.run={name}"]})
        found = self._api.json("GET", "/containers/json", all=1, filters=wanted)
        for one in found:
            with contextlib.suppress(EngineAbsent):
                self._api.json("DELETE", f"/containers/{one['Id']}", force=1, v=1)
        return len(found)

    def remove_volume(self, name: str, volume: str) -> bool:
        """Only one that carries our labels. Raises EngineError (409) while a container has it."""
        path = f"/volumes/{instances.volume_name(name, volume)}"
        with contextlib.suppress(EngineAbsent):
            ours = instances.volume_labels(self._place, name, volume)
            if ours.items() <= (self._api.json("GET", path).get("Labels") or {}).items():
                self._api.json("DELETE", path)
                return True
        return False

    def logs(
        self, full_name: str, tail: int | None = None, since: datetime | None = None, follow: bool = False
    ) -> Stream[LogEntry]:
        """Its lines; while following, an hour without one ends the stream."""
        answer = self._api.stream(
            "GET",
            f"/containers/{full_name}/logs",
            seconds=FOLLOW_SECONDS if follow else 30.0,
            stdout=1,
            stderr=1,
            timestamps=1,
            follow=int(follow),
            tail="all" if tail is None else tail,
            since=f"{since.timestamp():.6f}" if since else 0,
        )
        return Decoded(answer, log_entries)

    def _inspect(self, reference: str) -> Instance | None:
        with contextlib.suppress(EngineAbsent):
            found: dict[str, Any] = self._api.json("GET", f"/containers/{reference}/json")
            if f"{self._place.label}.name" in (found["Config"]["Labels"] or {}):
                return instances.parse(self._place, found)
        return None

    def _ensure_network(self) -> None:
        place = self._place
        body = {
            "Name": place.network,
            "CheckDuplicate": True,
            "Driver": "bridge",
            "IPAM": {"Config": [{"Subnet": place.subnet, "Gateway": place.gateway}]},
            "Labels": {f"{place.label}.network": place.network},
        }
        try:
            self._api.json("GET", f"/networks/{place.network}")
        except EngineAbsent:
            self._api.json("POST", "/networks/create", body)
