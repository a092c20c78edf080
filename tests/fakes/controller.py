"""The controller's Docker in memory; kept honest by `tests/unit/tasks/test_controller.py`."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from agent.server.ports import BuildRequest, EngineAbsent, EngineError
from fleet.errors import InvalidInput, PermanentError
from fleet.state import Image
from tests.fakes.engine import FakeEngine


class FakeControllerDocker:
    """The port `tasks.sources.controller.Store` over a fake engine, which belongs to no droplet."""

    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        self.saves = 0
        """How often an image was written out."""

    @contextmanager
    def open(self) -> Iterator[FakeControllerDocker]:
        """Itself, as `open_docker` gives it."""
        yield self

    def find(self, reference: str) -> Image:
        """The image of this name or id."""
        try:
            found = self.engine.image(reference)
        except EngineAbsent:
            raise InvalidInput(
                f"The Docker of the machine that runs the worker has no image {reference}.",
                hint="See `docker images` there, or take the image from a registry.",
            ) from None
        return Image(found.id, found.layers, found.size, self.engine.layer_sizes(found.id))

    def build(self, context: IO[bytes], dockerfile: str, tag: str) -> Iterator[str | Image]:
        """Lines, then the image."""
        for event in self.engine.build([context.read()], BuildRequest(tag=tag, dockerfile=dockerfile)):
            if event.error:
                raise PermanentError(event.error)
            if event.image:
                yield self.find(event.image.id)
            else:
                yield event.line or ""

    def save(self, image: str) -> Iterator[bytes]:
        """Its archive."""
        self.saves += 1
        return self.engine.save(image)

    def load(self, archive: IO[bytes]) -> None:
        """What `docker load` does."""
        try:
            self.engine.load(archive)  # type: ignore[arg-type]  # a temporary file is a BinaryIO in all but name
        except (EngineError, KeyError, tarfile.TarError) as error:
            raise PermanentError(str(error)) from error

    def tag(self, image: str, tag: str) -> None:
        """Moves a tag."""
        self.engine.tag(image, tag)
