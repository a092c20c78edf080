"""The Docker of the machine that runs the worker: a source of images, and a place to build them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any, Protocol

import docker
from docker.errors import APIError, DockerException, ImageLoadError, ImageNotFound
from requests.exceptions import RequestException

from fleet.errors import DeployerError, InvalidInput, PermanentError, TransientError
from fleet.state import Image

SECONDS = 600
"""The longest silence of a build or of an archive."""


class Store(Protocol):
    """What is needed of a Docker."""

    def find(self, reference: str) -> Image:
        """The image of this name or id. Raises InvalidInput when there is none."""
        ...

    def build(self, context: IO[bytes], dockerfile: str, tag: str) -> Iterator[str | Image]:
        """Lines of output, then the image. Raises PermanentError in the builder's words."""
        ...

    def save(self, image: str) -> Iterator[bytes]:
        """What `docker save` writes."""
        ...

    def load(self, archive: IO[bytes]) -> None:
        """Loads what `docker save` wrote. Raises PermanentError in Docker's words."""
        ...

    def tag(self, image: str, tag: str) -> None:
        """Gives an image, known by its id, this tag too; one that had it loses it."""
        ...


@contextmanager
def open_docker() -> Iterator[Store]:
    """The Docker that the worker's environment names (DOCKER_HOST), or that of its machine.

    Raises:
        InvalidInput: there is none that answers.
    """
    try:
        client = docker.from_env(timeout=SECONDS)
    except DockerException as error:
        raise InvalidInput(
            f"The Docker of the machine that runs the worker does not answer: {error}.",
            hint="Start it, or let a droplet build or pull the image.",
        ) from error
    try:
        yield ControllerDocker(client)
    finally:
        client.close()


class ControllerDocker:
    """A Docker through its SDK."""

    def __init__(self, client: docker.DockerClient) -> None:
        self._client = client

    def find(self, reference: str) -> Image:
        """The image of this name or id.

        Raises:
            InvalidInput: there is none.
        """
        try:
            found = self._client.images.get(reference)
        except ImageNotFound:
            raise InvalidInput(
                f"The Docker of the machine that runs the worker has no image {reference}.",
                hint="See `docker images` there, or take the image from a registry.",
            ) from None
        except (APIError, RequestException) as error:
            raise _failure(error) from error
        layers = tuple(found.attrs["RootFS"].get("Layers") or ())
        sizes = tuple(int(made["Size"]) for made in found.history() if made["Size"])
        return Image(id=str(found.id), layers=layers, size=int(found.attrs["Size"]), sizes=sizes)

    def build(self, context: IO[bytes], dockerfile: str, tag: str) -> Iterator[str | Image]:
        """Lines of output as they come, then the image.

        Raises:
            PermanentError: the build failed, in the builder's words.
        """
        made = tag
        try:
            events: Iterable[dict[str, Any]] = self._client.api.build(
                fileobj=context, custom_context=True, dockerfile=dockerfile, tag=tag, rm=True, forcerm=True, decode=True
            )
            for event in events:
                if "error" in event:
                    raise PermanentError(str(event["error"]))
                made = (event.get("aux") or {}).get("ID", made)  # the id: a tag may be another build's by now
                if line := str(event.get("stream") or "").rstrip():
                    yield line
        except (APIError, RequestException) as error:
            raise _failure(error) from error
        yield self.find(made)

    def save(self, image: str) -> Iterator[bytes]:
        """What `docker save` writes."""
        try:
            yield from self._client.images.get(image).save()
        except (APIError, RequestException) as error:
            raise _failure(error) from error

    def load(self, archive: IO[bytes]) -> None:
        """Loads what `docker save` wrote.

        Raises:
            PermanentError: it is no archive of an image, in Docker's words.
        """
        try:
            self._client.images.load(archive)
        except ImageLoadError as error:
            raise PermanentError(f"The Docker of the machine that runs the worker: {error}") from error
        except (APIError, RequestException) as error:
            raise _failure(error) from error

    def tag(self, image: str, tag: str) -> None:
        """Gives an image, known by its id, this tag too; one that had it loses it."""
        repository, _, name = tag.rpartition(":")
        try:
            self._client.api.tag(image, repository, name)
        except (APIError, RequestException) as error:
            raise _failure(error) from error


def _failure(error: Exception) -> DeployerError:
    message = f"The Docker of the machine that runs the worker: {error}"
    if isinstance(error, APIError) and error.is_client_error():
        return PermanentError(message)
    return TransientError(message)
