"""What of an image each droplet lacks, asked before a deploy is planned; nothing is sent."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from agent import wire
from blocks.environment import Environment
from fleet.errors import DeployerError
from fleet.sources import ControllerSource, Source
from fleet.state import Droplet, Host, Image, Weight
from tasks.agents import reach
from tasks.sources import controller

AT_ONCE = 32


def weigh(source: Source, hosts: Iterable[Host], environment: Environment) -> Weight | None:
    """The bytes that would travel to each droplet that answers; None where only a build or a pull can tell.

    Raises:
        InvalidInput: the controller's Docker has no such image.
    """
    if not isinstance(source, ControllerSource):
        return None
    with controller.open_docker() as docker:
        image = docker.find(source.reference)
    droplets = [host.droplet for host in hosts if host.error is None]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(lambda droplet: _lacking(droplet, image, environment), droplets)
    lacking = {droplet.name: size for droplet, size in zip(droplets, found, strict=True) if size is not None}
    return Weight(image.weight(len(image.layers)), lacking)


def _lacking(droplet: Droplet, image: Image, environment: Environment) -> int | None:
    """Bytes; None: it could not be asked, which is nothing that a plan fails for."""
    try:
        with reach(environment, droplet) as agent:
            found = agent.missing(wire.ImageQuery(image=image.id, layers=image.layers))
    except DeployerError:
        return None
    return 0 if found.present else image.weight(len(found.missing))
