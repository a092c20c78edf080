"""The Docker Engine that the machines run on, and the removal of all that the sandbox has made there."""

from __future__ import annotations

import contextlib

import docker
from docker import DockerClient
from docker.errors import APIError, DockerException, NotFound

from sandbox.errors import SandboxError
from sandbox.machines.engine import SHUTDOWN_SECONDS
from sandbox.machines.network import OWNER, Block, remove_network

_SECONDS = 180


def connect() -> DockerClient:
    """The engine of this machine; a SandboxError says what to install when none answers."""
    try:
        client = docker.from_env(timeout=_SECONDS)
        client.ping()
    except DockerException as error:
        raise SandboxError(
            "The Docker Engine does not answer.",
            "Install and start it (on Debian or Ubuntu, as root: apt-get install docker.io), then repeat this.",
        ) from error
    return client


def stop_machines(client: DockerClient, block: Block) -> int:
    """Stops machines that a killed server has left running; gives their number."""
    running = client.containers.list(filters=_owned(block))
    for container in running:
        container.stop(timeout=SHUTDOWN_SECONDS)
    return len(running)


def remove_everything(client: DockerClient, block: Block) -> None:
    """Removes the sandbox's containers, volumes, snapshots' images and network. May be repeated."""
    for container in client.containers.list(all=True, filters=_owned(block)):
        with contextlib.suppress(NotFound):
            container.remove(force=True, v=True)
    for volume in client.volumes.list(filters=_owned(block)):
        with contextlib.suppress(NotFound):
            volume.remove(force=True)
    for image in client.images.list(filters=_owned(block)):
        with contextlib.suppress(NotFound, APIError):  # one that others stand on goes with the last of them
            client.images.remove(str(image.id), force=True)
    remove_network(client, block)


def _owned(block: Block) -> dict[str, str | list[str] | bool]:
    return {"label": f"{OWNER}={block.name}"}
