"""Docker volumes as disks: copied whole, with everything that an overlay file system keeps in attributes."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

from docker import DockerClient
from docker.errors import NotFound

from sandbox.errors import SandboxError

_COPY_SECONDS = 600


def make_volume(docker: DockerClient, name: str, labels: dict[str, str]) -> Path:
    """An empty volume and its folder; what an interrupted attempt left is thrown away."""
    remove_volume(docker, name)
    docker.volumes.create(name, labels=labels)
    return folder(docker, name)


def folder(docker: DockerClient, name: str) -> Path:
    """The folder of a volume on this host."""
    return Path(docker.volumes.get(name).attrs["Mountpoint"])


def remove_volume(docker: DockerClient, name: str) -> None:
    """Removes a volume; absent is fine."""
    with contextlib.suppress(NotFound):
        docker.volumes.get(name).remove(force=True)


def copy(source: Path, target: Path) -> None:
    """Copies a tree with owners, times, device files and extended attributes; shares the blocks where it can."""
    _run(["cp", "--archive", "--reflink=auto", f"{source}/.", str(target)])


def size(path: Path) -> int:
    """The bytes that a tree takes."""
    return int(_run(["du", "--summarize", "--block-size=1", str(path)]).split()[0])


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_COPY_SECONDS, check=False)
    if done.returncode:
        raise SandboxError(f"`{' '.join(command)}` failed: {done.stderr[-500:]}", "Look for free space on this disk.")
    return done.stdout
