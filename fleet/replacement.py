"""A dead droplet gives way to a new one: what has to come to it, from where, and of which release. Pure.

The dead one cannot be asked: what ran on it is what is remembered. The new one carries a tag that says whose place it
takes, and an intent that follows from the dead one alone, so that no run, of whatever controller, makes a second.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from fleet import naming
from fleet.errors import InvalidInput
from fleet.spec import EnvironmentSpec, Maintenance, ServiceSpec
from fleet.state import Droplet, DropletRequest, Host, World


@dataclass(frozen=True)
class Dead:
    """The droplet that gives way, as it is remembered."""

    id: int
    name: str
    droplet: Droplet | None
    """As the provider has it; None: it does not exist any more."""
    releases: Mapping[str, str]
    """The release that was current of each service on it, by container; empty: nobody knows which."""


@dataclass(frozen=True)
class Coming:
    """A service that comes to the new droplet."""

    service: ServiceSpec = field(repr=False)
    container: str
    release: str
    """Empty: nobody knows, and it is named after what is built."""
    image: str
    """Empty: no droplet that answers has it, so it is obtained anew."""
    source: Droplet | None
    page: Maintenance | None
    served: bool
    """Whether the new droplet serves it already."""

    @property
    def runs_once(self) -> bool:
        """Whether no two of it may run: the dead droplet has to be off before this one serves."""
        return bool(self.service.single_reason)


@dataclass(frozen=True)
class Replacement:
    """What is to be done."""

    dead: Dead
    request: DropletRequest
    made: Droplet | None
    """The new one, when an earlier run has made it."""
    services: tuple[Coming, ...]

    @property
    def name(self) -> str:
        """The name of the new droplet."""
        return self.made.name if self.made else self.request.name


def plan_replacement(
    world: World, dead: Dead, spec: EnvironmentSpec, services: Mapping[str, ServiceSpec]
) -> Replacement:
    """What comes to the new droplet.

    Args:
        world: the environment; the dead droplet may be among its hosts, and is not looked at.
        dead: what is remembered of it.
        spec: the environment; a new droplet is made from what the dead one was made from, or from its default.
        services: what is known of the environment's services, by the name of their containers.

    Raises:
        InvalidInput: a service has no block, or there is no snapshot to make a droplet from.
    """
    tag = naming.roll_tag(dead.id)
    others = [one for one in world.hosts if one.droplet.id != dead.id and one.error is None]
    pair = next((one for one in world.hosts if tag in one.droplet.tags), None)
    unknown = sorted({*dead.releases} - {*services})
    if unknown:
        raise InvalidInput(
            f"{dead.name} ran {', '.join(unknown)}, of which there is no Service block.",
            hint="Make the blocks as the services were deployed: what cannot be made again is not replaced.",
        )
    serving = [one for one in others if pair is None or one.droplet.id != pair.droplet.id]
    found = [_coming(services[name], name, release, serving, pair, world) for name, release in dead.releases.items()]
    return Replacement(
        dead=dead,
        request=_request(dead, spec),
        made=pair.droplet if pair else None,
        services=tuple(sorted((one for one in found if one), key=lambda one: one.container)),
    )


def _coming(
    service: ServiceSpec, name: str, remembered: str, others: list[Host], pair: Host | None, world: World
) -> Coming | None:
    """None: it runs on as many droplets as it should without this one."""
    there = sorted((one for one in others if one.find(name)), key=lambda one: one.droplet.name)
    mine = pair.find(name) if pair else None
    if len(there) >= service.replicas and mine is None:
        return None
    source = there[0] if there else None
    seen = source.find(name) if source else None
    release = seen.release if seen else remembered
    return Coming(
        service=service,
        container=name,
        release=release,
        image=seen.image if seen else "",
        source=source.droplet if source else None,
        page=world.page_of(name),
        served=mine is not None and (not release or mine.release == release),
    )


def _request(dead: Dead, spec: EnvironmentSpec) -> DropletRequest:
    image = dead.droplet.image if dead.droplet else spec.snapshot
    if not image:
        raise InvalidInput(
            f"{dead.name} does not exist any more, and its environment has no default snapshot.",
            hint="Choose one in the Environment block.",
        )
    seed = hashlib.sha256(f"in the place of {dead.id} {dead.name}".encode()).hexdigest()[:12]
    intent = f"{seed}-{dead.id}"
    return DropletRequest(
        name=naming.droplet(spec, intent),
        region=dead.droplet.region if dead.droplet else spec.region,
        size=dead.droplet.size if dead.droplet else spec.size,
        image=image,
        tags=naming.droplet_tags(spec) | {naming.roll_tag(dead.id)},
        intent=intent,
    )
