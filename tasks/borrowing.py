"""The base image of droplets, brought to the controller's Docker for a build that begins with it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import IO

from agent import contexts as agent_contexts
from agent import wire
from blocks.environment import Environment
from fleet.errors import InvalidInput, TransientError
from fleet.state import Droplet, Image
from tasks import bases, contexts
from tasks.agents import reach
from tasks.contexts import BASE_TAG
from tasks.sources.controller import Store


def ensure_base(
    docker: Store,
    archive: IO[bytes],
    dockerfile: str,
    droplet: Droplet,
    environment: Environment,
    log: Callable[[str], None],
) -> Image | None:
    """The droplet's `local/base:latest`, by that name in the controller's Docker too; None where it is not built on.

    Where the droplet has none, a base of that name that somebody has made on the controller will do.

    Args:
        docker: the controller's; its own base is put aside for the droplet's.
        archive: the build context, checked.
        dockerfile: its path inside.
        droplet: the first that the image will run on.
        environment: where.
        log: is told of what is fetched.

    Raises:
        InvalidInput: neither of them has one.
    """
    text = agent_contexts.check(archive, dockerfile)
    archive.seek(0)
    if not contexts.names_base(text):
        return None
    base, here = bases.find(droplet, BASE_TAG, environment), _here(docker)
    if base is None and here is None:
        raise InvalidInput(
            f"{dockerfile} builds on {BASE_TAG}, which neither {droplet.name} nor the Docker of the machine that runs "
            "the worker has.",
            hint="Choose a custom snapshot for the environment, or make it here: docker build --tag local/base FOLDER.",
        )
    if base is None or _same(base, here):
        return here
    log(f"{BASE_TAG} of {droplet.name} ({base.short}) is fetched: the controller has {here.short if here else 'none'}")
    with tempfile.TemporaryFile() as file:
        with reach(environment, droplet) as agent, agent.save(wire.ImageSave(image=base.id)) as chunks:
            for chunk in chunks:
                file.write(chunk)
        file.seek(0)
        docker.load(file)
    docker.tag(base.id, BASE_TAG)
    return base


def confirm(docker: Store, base: Image | None) -> None:
    """Whether what was built on is still that base: another run may have brought its own meanwhile.

    Raises:
        TransientError: it is another one, and what was built may be built on that.
    """
    if base is not None and not _same(base, here := _here(docker)):
        found = here.short if here else "none"
        raise TransientError(
            f"{BASE_TAG} of the controller's Docker was {base.short} before the build and is {found} after it.",
            hint="Another run builds here too. Run this again, or build on `droplet`.",
        )


def _here(docker: Store) -> Image | None:
    try:
        return docker.find(BASE_TAG)
    except InvalidInput:
        return None


def _same(one: Image, other: Image | None) -> bool:
    return other is not None and one.id == other.id
