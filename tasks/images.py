"""Images: built on one droplet, and only what is missing brought to the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO

from prefect import get_run_logger, unmapped

from agent import wire
from agent.client import AgentClient
from blocks.environment import Environment
from fleet.errors import PermanentError
from fleet.spec import BuildSource, ImageSource, ServiceSpec
from fleet.state import Droplet, Image
from tasks.agents import reach
from tasks.contexts import pack
from tasks.policy import TRANSFER, gather, step

BUILD_DEADLINE = timedelta(minutes=30)
SHIP_DEADLINE = timedelta(minutes=30)
CHUNK_BYTES = 1 << 20
BASE_TAG = "local/base:latest"


@dataclass(frozen=True)
class Shipment:
    """What one droplet had to be sent; zero bytes when it had the image."""

    droplet: str
    layers: int
    bytes: int


@step("{droplet.name}: image of {spec.name}", timeout=BUILD_DEADLINE, retries=2)
def obtain_image(droplet: Droplet, spec: ServiceSpec, environment: Environment) -> Image:
    """The service's image, built or pulled on this droplet."""
    with reach(environment, droplet) as agent:
        match spec.source:
            case BuildSource(context, dockerfile):
                return build(agent, Path(context), dockerfile, f"{spec.name}:latest", droplet.name)
            case ImageSource(reference):
                return _image(agent.pull(reference))


@step("{droplet.name}: build local/base", timeout=BUILD_DEADLINE, retries=2)
def build_base(droplet: Droplet, context: Path, dockerfile: str, environment: Environment) -> Image:
    """Builds `local/base:latest` on the droplet of a custom snapshot."""
    with reach(environment, droplet) as agent:
        return build(agent, context, dockerfile, BASE_TAG, droplet.name)


def build(agent: AgentClient, context: Path, dockerfile: str, tag: str, where: str) -> Image:
    """Builds on a droplet, its output going to the run's log as it comes.

    Raises:
        InvalidInput: there is nothing to build from.
        PermanentError: the build failed; the message holds the builder's words.
    """
    log = get_run_logger()
    with pack(context, dockerfile) as archive:
        for event in agent.build(_chunks(archive), tag=tag, dockerfile=dockerfile):
            if event.error:
                raise PermanentError(
                    f"{where}: the build of {context} failed: {event.error}",
                    hint="The output is in this run's log; mend the Dockerfile and run this again.",
                )
            if event.image:
                return _image(event.image)
            log.info("%s", (event.line or "").rstrip())
    raise PermanentError(f"{where}: the build of {context} ended without an image.", hint="See the agent's journal.")


@step("{target.name}: ship {image.short}", TRANSFER, timeout=SHIP_DEADLINE)
def ship_image(source: Droplet, target: Droplet, image: Image, environment: Environment) -> Shipment:
    """Brings the image to a droplet: only the layers that it lacks travel, through the controller."""
    with reach(environment, target) as to:
        missing = to.missing(wire.ImageQuery(image=image.id, layers=image.layers))
        if missing.present:
            return Shipment(target.name, 0, 0)
        sent = 0

        def counted(chunks: Iterator[bytes]) -> Iterator[bytes]:
            nonlocal sent
            for chunk in chunks:
                sent += len(chunk)
                yield chunk

        omit = tuple(layer for layer in image.layers if layer not in missing.missing)
        with (
            reach(environment, source) as origin,
            origin.save(wire.ImageSave(image=image.id, omit=omit)) as archive,
        ):
            to.load(counted(archive))
    return Shipment(target.name, len(missing.missing), sent)


def _image(seen: wire.Image) -> Image:
    return Image(id=seen.id, layers=seen.layers, size=seen.size)


def _chunks(archive: IO[bytes]) -> Iterator[bytes]:
    while chunk := archive.read(CHUNK_BYTES):
        yield chunk


def ship_all(source: Droplet, targets: Sequence[Droplet], image: Image, environment: Environment) -> list[Shipment]:
    """Brings the image to every other droplet."""
    names = [target.name for target in targets]
    futures = ship_image.map(unmapped(source), list(targets), unmapped(image), unmapped(environment))
    return gather("Shipping the image", names, futures)
