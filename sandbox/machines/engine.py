"""Container machines: each droplet is a Docker container that boots systemd, with a volume for its own Docker."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from docker import DockerClient
from docker.errors import DockerException, NotFound
from docker.models.containers import Container

from sandbox.errors import SandboxError
from sandbox.image import IMAGE
from sandbox.machines import disks, guest, host, seed
from sandbox.machines.network import OWNER, Block, ensure_network
from sandbox.machines.ports import Machine

SHUTDOWN_SECONDS = 30
_DOCKER_DATA = "/var/lib/docker"
_BALLAST = "/var/tmp/ballast"  # noqa: S108 - on the machine's disk, where only root is
_REPOSITORY = "deployer-sandbox/snapshot"


class DockerMachines:
    """The port `sandbox.machines.ports.Machines` on a Docker Engine of this host, which needs root.

    `state` keeps the seeds; `settings` are text files (by path) that every machine gets before its first boot;
    `resolvers` are the name servers that machines ask, Docker's own where there are none.
    """

    def __init__(
        self, docker: DockerClient, block: Block, state: Path, settings: Mapping[str, str], resolvers: list[str]
    ) -> None:
        self._docker = docker
        self._block = block
        self._state = state
        self._settings = settings
        self._resolvers = resolvers

    def create(self, machine: Machine) -> None:
        """Makes the disk, unless there is one for this id, and starts it."""
        with _explained(f"Making the machine of droplet {machine.id}"):
            if self._find(machine.id) is None:
                self._make(machine)
            self._container(machine.id).start()

    def start(self, id: int) -> None:
        """Powers it on."""
        with _explained(f"Starting droplet {id}"):
            self._container(id).start()

    def stop(self, id: int) -> None:
        """Shuts it down in order; after half a minute the power goes off."""
        with _explained(f"Stopping droplet {id}"):
            _thaw(self._container(id))
            self._container(id).stop(timeout=SHUTDOWN_SECONDS)

    def kill(self, id: int) -> None:
        """Takes its power away."""
        with _explained(f"Switching droplet {id} off"):
            container = self._container(id)
            _thaw(container)
            if container.status in ("running", "paused"):
                container.kill()
                container.wait(timeout=SHUTDOWN_SECONDS)

    def remove(self, id: int) -> None:
        """Destroys it with its disk."""
        with _explained(f"Destroying droplet {id}"):
            container = self._find(id)
            if container is not None:
                _thaw(container)
                container.remove(force=True)
            disks.remove_volume(self._docker, self._volume(id))
            shutil.rmtree(self._seed(id), ignore_errors=True)

    def snapshot(self, id: int, snapshot: int) -> int:
        """Copies the disk and Docker's data, whatever runs is frozen meanwhile; gives the bytes that the copy takes."""
        with _explained(f"Taking a snapshot of droplet {id}"):
            container = self._container(id)
            source = disks.folder(self._docker, self._volume(id))
            with _still(container):
                image = container.commit(_REPOSITORY, self._tag(snapshot), conf={"Labels": self._labels()})
                target = disks.make_volume(self._docker, self._snapshot_volume(snapshot), self._labels())
                disks.copy(source, target)
            return int(image.attrs["Size"]) + disks.size(target)

    def remove_snapshot(self, snapshot: int) -> None:
        """Forgets a copy; machines made from it keep their disks."""
        with _explained(f"Removing snapshot {snapshot}"):
            with contextlib.suppress(NotFound):
                # By its name only: the layers stay as long as a machine stands on them.
                self._docker.images.remove(f"{_REPOSITORY}:{self._tag(snapshot)}", force=True)
            disks.remove_volume(self._docker, self._snapshot_volume(snapshot))

    def pause(self, id: int) -> None:
        """Freezes every process in it, as a host that hangs."""
        with _explained(f"Freezing droplet {id}"):
            container = self._container(id)
            if container.status == "running":
                container.pause()

    def resume(self, id: int) -> None:
        """Lets the processes go on."""
        with _explained(f"Thawing droplet {id}"):
            _thaw(self._container(id))

    def fill(self, id: int, mib: int) -> None:
        """Puts a file of this size on its disk; 0 takes it away."""
        command = ["fallocate", "--length", f"{mib}MiB", _BALLAST] if mib else ["rm", "--force", _BALLAST]
        with _explained(f"Filling the disk of droplet {id}"):
            code, output = self._container(id).exec_run(command)
            if code:
                raise SandboxError(f"The disk of droplet {id} cannot be filled: {output!r}.", "Choose a smaller size.")

    def _make(self, machine: Machine) -> None:
        """A container that is ready to boot. It is made under another name first: a half-made one is never started."""
        labels = self._labels()
        volume = disks.make_volume(self._docker, self._volume(machine.id), labels)
        if machine.image is not None:
            disks.copy(disks.folder(self._docker, self._snapshot_volume(machine.image)), volume)
        half = f"{self._name(machine.id)}-new"
        with contextlib.suppress(NotFound):
            self._docker.containers.get(half).remove(force=True)
        ensure_network(self._docker, self._block)
        create: Callable[[dict[str, Any], str], dict[str, str]] = self._docker.api.create_container_from_config
        made = create(self._config(machine), half)
        container = self._docker.containers.get(made["Id"])
        # An empty machine-id makes systemd choose a new one; a disk from a snapshot would keep the old.
        guest.write_files(container, {**self._settings, "/etc/machine-id": ""})
        container.rename(self._name(machine.id))

    def _config(self, machine: Machine) -> dict[str, Any]:
        endpoint = {"IPAMConfig": {"IPv4Address": machine.address}}
        return {
            "Image": self._image(machine),
            "Cmd": ["/sbin/init"],
            "Hostname": machine.hostname,
            "Env": ["container=docker"],
            "Labels": self._labels(),
            "StopSignal": "SIGRTMIN+3",
            "HostConfig": {
                **host.run_options(),
                "Binds": [*self._binds(machine), *host.cgroup_binds()],
                "Tmpfs": {"/run": "", "/run/lock": "", "/tmp": ""},  # noqa: S108 - on the machine
                "Memory": machine.memory_mib * 2**20,
                "NetworkMode": self._block.name,
            },
            "NetworkingConfig": {"EndpointsConfig": {self._block.name: endpoint}},
        }

    def _binds(self, machine: Machine) -> list[str]:
        folder = seed.write_seed(self._seed(machine.id), machine)
        binds = [f"{self._volume(machine.id)}:{_DOCKER_DATA}", f"{folder}:{seed.GUEST}:ro"]
        return [*binds, f"{self._resolv_conf()}:/etc/resolv.conf:ro"] if self._resolvers else binds

    def _resolv_conf(self) -> Path:
        path = self._state / "resolv.conf"
        path.write_text("".join(f"nameserver {server}\n" for server in self._resolvers))
        return path

    def _image(self, machine: Machine) -> str:
        return IMAGE if machine.image is None else f"{_REPOSITORY}:{self._tag(machine.image)}"

    def _container(self, id: int) -> Container:
        container = self._find(id)
        if container is None:
            raise SandboxError(f"The machine of droplet {id} is gone.", "Destroy the droplet and make another.")
        return container

    def _find(self, id: int) -> Container | None:
        try:
            return self._docker.containers.get(self._name(id))
        except NotFound:
            return None

    def _name(self, id: int) -> str:
        return f"{self._block.name}-{id}"

    def _tag(self, snapshot: int) -> str:
        return f"{self._block.number}-{snapshot}"

    def _volume(self, id: int) -> str:
        return f"{self._name(id)}-docker"

    def _snapshot_volume(self, snapshot: int) -> str:
        return f"{self._block.name}-snapshot-{snapshot}-docker"

    def _seed(self, id: int) -> Path:
        return self._state / "seeds" / str(id)

    def _labels(self) -> dict[str, str]:
        return {OWNER: self._block.name}


@contextlib.contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turns Docker's failures into ours."""
    try:
        yield
    except (DockerException, OSError) as error:
        detail = getattr(error, "explanation", None) or error
        raise SandboxError(f"{what} failed: {detail}", "Look at `docker ps --all` and the log of dockerd.") from error


def _thaw(container: Container) -> None:
    if container.status == "paused":
        container.unpause()
        container.reload()


@contextlib.contextmanager
def _still(container: Container) -> Iterator[None]:
    """Nothing in the machine runs meanwhile: a copy of files that change would not fit together."""
    freeze: Callable[[], object] | None = container.pause if container.status == "running" else None
    if freeze is None:
        yield
        return
    freeze()
    try:
        yield
    finally:
        container.unpause()
