"""Container machines to bake: Debian 12 with systemd, cloud-init and sshd, as a droplet is when it is new."""

from __future__ import annotations

import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
from docker.models.containers import Container

from sandbox.image import ensure_image

_AS_MACHINE = (  # what systemd and a dockerd inside need; SYS_RESOURCE is missing on hosts that lack it themselves
    "--cap-add=ALL", "--cap-drop=SYS_RESOURCE", "--security-opt=seccomp=unconfined",
    "--security-opt=systempaths=unconfined", "--tmpfs=/run", "--tmpfs=/run/lock", "--tmpfs=/tmp",
    "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw", "--cgroupns=host", "--env=container=docker",
    "--stop-signal=SIGRTMIN+3",
)  # fmt: skip
_POLL_SECONDS = 0.25
_SECONDS = 600


class Machine:
    """A running container machine, seen as a droplet by its address and as a disk by `run`."""

    def __init__(self, container: Container) -> None:
        self.container = container

    @property
    def address(self) -> str:
        """Its address in Docker's own network."""
        self.container.reload()
        return str(self.container.attrs["NetworkSettings"]["IPAddress"])

    def run(self, *command: str) -> tuple[int, str]:
        """The exit code and output of a command inside, without SSH."""
        code, output = self.container.exec_run(list(command))
        assert isinstance(output, bytes)
        return int(code or 0), output.decode()

    def text(self, *command: str) -> str:
        """What a command printed; an assertion when it failed."""
        code, output = self.run(*command)
        assert code == 0, f"{command}: {output}"
        return output.strip()


def fresh_image() -> str:
    """The image of a new Debian 12 machine, made once."""
    return ensure_image(docker.from_env(), print)


@contextmanager
def machine(image: str, user_data: str, seed: Path, docker_data: str | None = None) -> Iterator[Machine]:
    """Start a machine with this user data; it and its volumes are gone afterwards (a given volume stays)."""
    name = f"deployer-test-{uuid.uuid4().hex[:8]}"
    seed.mkdir(parents=True)
    (seed / "meta-data").write_text(f"instance-id: {name}\nlocal-hostname: {name}\n")
    (seed / "user-data").write_text(user_data)
    data = f"{docker_data}:/var/lib/docker" if docker_data else "/var/lib/docker"
    _command(
        "docker", "run", "--detach", f"--name={name}", *_AS_MACHINE,
        f"--volume={data}", f"--volume={seed}:/var/lib/cloud/seed/nocloud:ro", image, "/sbin/init",
    )  # fmt: skip
    container = docker.from_env().containers.get(name)
    try:
        yield Machine(container)
    finally:
        container.remove(force=True, v=True)


@contextmanager
def snapshot(of: Machine) -> Iterator[tuple[str, str]]:
    """Switch a machine off and keep its disk: the image, and a volume with Docker's data."""
    client = docker.from_env()
    name = f"deployer-test/snapshot:{uuid.uuid4().hex[:8]}"
    of.container.stop(timeout=20)
    mounts = {mount["Destination"]: mount for mount in of.container.attrs["Mounts"]}
    volume = client.volumes.create()
    of.container.commit(*name.split(":"))
    try:
        data = mounts["/var/lib/docker"]["Source"]
        _command("cp", "-a", f"{data}/.", str(volume.attrs["Mountpoint"]))
        yield name, volume.name
    finally:
        client.images.remove(name, force=True)
        volume.remove(force=True)


def eventually(what: str, ask: Callable[[], bool], seconds: float = 30) -> None:
    """Ask until the answer is yes; fails at the deadline with `what`."""
    deadline = time.monotonic() + seconds
    while not ask():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(_POLL_SECONDS)


def _command(*words: str) -> None:
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=_SECONDS)
    assert done.returncode == 0, f"{words[0]}: {(done.stdout + done.stderr)[-2000:]}"
