"""Images: brought to one droplet from where they come, and only what is missing from there to the others."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import IO

from prefect import get_run_logger, unmapped

from agent import archives, contexts, dockerfiles, wire
from agent.client import AgentClient
from blocks.environment import Environment
from fleet.errors import PermanentError
from fleet.spec import Built, ControllerSource, ImageSource, ServiceSpec
from fleet.state import Droplet, Image
from tasks import borrowing, builds, room, sources, uploads
from tasks.agents import reach
from tasks.policy import TRANSFER, gather, step
from tasks.sources.controller import Store, open_docker

SHIP_DEADLINE = timedelta(minutes=30)


@dataclass(frozen=True)
class Shipment:
    """What one droplet had to be sent; zero bytes when it had the image."""

    droplet: str
    layers: int
    bytes: int


@step("{droplet.name}: image of {spec.name}", timeout=builds.DEADLINE, retries=2)
def obtain_image(droplet: Droplet, spec: ServiceSpec, environment: Environment) -> Image:
    """The service's image, on this droplet: pulled, built, or sent from the controller's Docker."""
    match spec.source:
        case ImageSource(reference, user, password):
            login = wire.RegistryLogin(user=user, password=password) if user else None
            with reach(environment, droplet) as agent:
                return builds.image(agent.pull(reference, login))
        case ControllerSource(reference):
            with open_docker() as docker, reach(environment, droplet) as agent:
                return send(agent, docker, docker.find(reference), droplet.name)
        case source:
            with sources.packed(source, get_run_logger().info) as archive:
                return _built(droplet, spec, source, archive, environment)


def _built(droplet: Droplet, spec: ServiceSpec, source: Built, archive: IO[bytes], environment: Environment) -> Image:
    name, what = spec.name, f"the build of the {sources.title(source)}"
    if source.build_on == "droplet":
        mounted = _mounted(spec, archive, source.dockerfile)
        order = wire.Build(tag=f"{name}:latest", dockerfile=source.dockerfile, secrets=mounted)
        with reach(environment, droplet) as agent:
            return builds.build(agent, archive, order, droplet.name, what)
    with open_docker() as docker:
        log = get_run_logger().info
        base = borrowing.ensure_base(docker, archive, source.dockerfile, droplet, environment, log)
        made = build_here(docker, archive, source.dockerfile, f"{environment.title()}/{name}:latest", what)
        borrowing.confirm(docker, base)
        with reach(environment, droplet) as agent:
            return send(agent, docker, made, droplet.name)


def _mounted(spec: ServiceSpec, archive: IO[bytes], dockerfile: str) -> dict[str, str]:
    """Those of the service's secrets that its build mounts; no others leave the controller for it."""
    wanted = dockerfiles.secrets(contexts.check(archive, dockerfile))
    archive.seek(0)
    return {name: value for name, value in spec.secrets.items() if name in wanted}


def build_here(docker: Store, archive: IO[bytes], dockerfile: str, tag: str, what: str) -> Image:
    """Builds in the controller's Docker, its output going to the run's log as it comes.

    Raises:
        PermanentError: the build failed; the message holds the builder's words.
    """
    log, events = builds.BuildLog(), docker.build(archive, dockerfile, tag)
    try:
        for event in events:
            if isinstance(event, Image):
                return event
            log.write(event)
    except PermanentError as error:
        raise builds.failed(f"{what} on the controller", error.message) from error
    raise PermanentError(f"{what} on the controller ended without an image.")


def send(agent: AgentClient, docker: Store, image: Image, where: str) -> Image:
    """Brings an image of the controller's Docker to a droplet: only the layers that it lacks travel.

    Raises:
        PermanentError: what Docker saved is no archive of one image.
    """
    missing = agent.missing(wire.ImageQuery(image=image.id, layers=image.layers))
    if missing.present:
        get_run_logger().info("%s has image %s already", where, image.short)
        return image
    room.check(where, image, missing)
    omit = frozenset(image.layers) - frozenset(missing.missing)
    with tempfile.TemporaryFile() as whole:  # Docker may write last what says which layer is where
        for chunk in docker.save(image.id):
            whole.write(chunk)
        try:
            return load(agent, lambda: _partial(whole, omit), where)
        except archives.Malformed as error:
            raise PermanentError(f"The controller's Docker saved no archive of one image: {error}.") from error


def _partial(whole: IO[bytes], omit: frozenset[str]) -> Iterator[bytes]:
    whole.seek(0)
    return archives.partial(whole, omit)


def load(agent: AgentClient, content: uploads.Content, where: str) -> Image:
    """Brings an archive to a droplet, as far as it is not there yet, and has it loaded."""
    digest = uploads.send(agent, content, where, get_run_logger().info)
    return builds.image(agent.load_upload(digest) if digest else agent.load(content()))


@step("{target.name}: ship {image.short}", TRANSFER, timeout=SHIP_DEADLINE)
def ship_image(source: Droplet, target: Droplet, image: Image, environment: Environment) -> Shipment:
    """Brings the image to a droplet: only the layers that it lacks travel, through the controller.

    Raises:
        PermanentError: the droplet has no room for them. Nothing was sent.
    """
    with reach(environment, target) as to:
        missing = to.missing(wire.ImageQuery(image=image.id, layers=image.layers))
        if missing.present:
            return Shipment(target.name, 0, 0)
        omit = tuple(layer for layer in image.layers if layer not in missing.missing)
        counted = _Counted()
        with reach(environment, source) as origin:
            room.check(target.name, room.weigh(origin, image), missing)
            with origin.save(wire.ImageSave(image=image.id, omit=omit)) as archive:
                to.load(counted(archive))
    return Shipment(target.name, len(missing.missing), counted.total)


@step("{droplet.name}: prune images")
def prune(droplet: Droplet, environment: Environment) -> int:
    """Removes images that no release on the droplet uses, kept ones among them; gives how many."""
    with reach(environment, droplet) as agent:
        return len(agent.prune().images)


class _Counted:
    """Counts the bytes that go by."""

    total = 0

    def __call__(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """The same chunks."""
        for chunk in chunks:
            self.total += len(chunk)
            yield chunk


def ship_all(source: Droplet, targets: Sequence[Droplet], image: Image, environment: Environment) -> list[Shipment]:
    """Brings the image to every other droplet, once each has room for it."""
    room.check_all(source, targets, image, environment)
    names = [target.name for target in targets]
    futures = ship_image.map(unmapped(source), list(targets), unmapped(image), unmapped(environment))
    return gather("Shipping the image", names, futures)


def prune_all(hosts: Sequence[Droplet], environment: Environment) -> list[int]:
    """Images that no release uses any more gone from every droplet."""
    futures = [prune.submit(host, environment) for host in hosts]
    return gather("Pruning images", [host.name for host in hosts], futures)
