"""The base image of droplets, and services that are built on another one."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import get_run_logger

from agent.client import AgentProblem
from blocks.environment import Environment
from blocks.service import Service
from fleet import bases
from fleet.roll import Move
from fleet.state import Droplet, Image
from tasks import rolls
from tasks.agents import reach, translate
from tasks.contexts import BASE_TAG
from tasks.policy import gather, step
from tasks.rolls import RollOrder


@step("{droplet.name}: read its base image")
def look(droplet: Droplet, environment: Environment) -> Image | None:
    """The image `local/base:latest` of a droplet; None where its snapshot has none."""
    return find(droplet, BASE_TAG, environment)


def warn(hosts: Sequence[Droplet], name: str, image: Image, environment: Environment) -> list[str]:
    """What is to be said of the bases of `hosts`, to which an image has come from the first of them; also logged."""
    if len(hosts) == 1:
        return []
    found = gather("Reading base images", [one.name for one in hosts], [look.submit(one, environment) for one in hosts])
    seen = {one.name: base for one, base in zip(hosts, found, strict=True)}
    return _say(name, bases.others(image, found[0], seen))


def warn_of_move(move: Move, new: Droplet, environment: Environment) -> list[str]:
    """What is to be said of services that came from a droplet with another base, also logged; while both are there."""
    if not move.services:
        return []
    before, after = look(move.old, environment), look(new, environment)
    told = []
    for one in move.services:
        image = find(new, one.image, environment)
        if image is not None:
            told += _say(one.service.name, bases.others(image, before, {new.name: after}))
    return told


def outdated(order: RollOrder, environment: Environment) -> list[Service]:
    """The services that are to be rebuilt where they are not built on their droplet's base, and are not."""
    wanted = [one for one in rolls.list_services(environment) if one.on_another_base == "rebuild"]
    world = rolls.observe(order, environment) if wanted else None
    found = []
    for service in wanted:
        name = next((key for key, one in order.services.items() if one.name == service.name), "")
        places = [(host.droplet, seen.image) for host in world.hosts if (seen := host.find(name))] if world else []
        if any(not _is_current(droplet, image, environment) for droplet, image in places):
            found.append(service)
    return found


def _is_current(droplet: Droplet, reference: str, environment: Environment) -> bool:
    image = find(droplet, reference, environment)
    base = look(droplet, environment)
    return base is None or image is None or bases.is_built_on(image, base)


def find(droplet: Droplet, reference: str, environment: Environment) -> Image | None:
    """An image of a droplet by its id or tag; None where it has none."""
    with reach(environment, droplet) as agent:
        try:
            seen = agent.image(reference)
        except AgentProblem as error:
            if error.problem.code == "not_found":
                return None
            raise translate(droplet.name, error.problem) from error
    return Image(seen.id, seen.layers, seen.size)


def _say(name: str, found: dict[str, str]) -> list[str]:
    told = [f"{name} is {why}: deploy it to build it anew." for why in found.values()]
    for line in told:
        get_run_logger().warning("%s", line)
    return told
