"""Images between droplets: what lacks, partial archives out and in, builds, and tidying up."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Final

from agent import contexts, dockerfiles, wire
from agent.server import archives
from agent.server.errors import Failure
from agent.server.ports import BuildRequest, Engine, EngineAbsent, EngineDown, EngineError, Instance, Stream
from agent.server.settings import Settings

FRESH_SECONDS: Final = 3600.0
"""How long an image that arrived and is not used yet is safe from pruning."""


class Images:
    """The droplet's images; archives wait on its disk, bounded by the space that is free."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings
        self._arrived: dict[str, float] = {}

    def missing(self, query: wire.ImageQuery) -> wire.ImageMissing:
        """What a partial archive must carry: all layers above the longest chain that an image here begins with."""
        images = self._engine.images()
        if any(one.id == query.image for one in images):
            self._arrived[query.image] = time.monotonic()
            return wire.ImageMissing(present=True, missing=())
        longest = max((_common(one.layers, query.layers) for one in images), default=0)
        return wire.ImageMissing(present=False, missing=query.layers[longest:], free=max(self.free(), 0))

    def read(self, reference: str) -> wire.Image:
        """One image by id or tag, with the sizes of its layers. Raises EngineAbsent."""
        found = self._engine.image(reference)
        return found.model_copy(update={"sizes": self._engine.layer_sizes(found.id)})

    @contextmanager
    def save(self, wanted: wire.ImageSave) -> Iterator[Iterator[bytes]]:
        """The partial archive, spooled first because Docker writes the manifest last.

        Raises:
            EngineAbsent: there is no such image.
            Failure: 507, the disk has no room for it.
        """
        image = self._engine.image(wanted.image)
        with self.spool() as file:
            self.room(image.size)
            stream = self._engine.save(wanted.image)
            try:
                for chunk in stream:
                    file.write(chunk)
            finally:
                stream.close()
            file.seek(0)
            yield archives.partial(file, frozenset(wanted.omit))

    def load(self, file: IO[bytes], tag: str = "") -> wire.Image:
        """Load a spooled archive, check that Docker has the image that it promised, and give it a tag, if any.

        Raises:
            Failure: 422, it is no archive of one image, or a layer lacks.
        """
        file.seek(0)
        promised = archives.read(file).image
        file.seek(0)
        try:
            self._engine.load(file)  # type: ignore[arg-type]  # a temporary file is a BinaryIO in all but name
            found = self._engine.image(promised)
        except EngineDown:
            raise
        except EngineAbsent as error:
            raise _refused(promised, "Docker does not have it after loading") from error
        except EngineError as error:
            raise _refused(promised, str(error)) from error
        self._arrived[found.id] = time.monotonic()
        if not tag:
            return found
        self._engine.tag(found.id, tag)
        return self._engine.image(found.id)

    def order(self, file: IO[bytes], wanted: wire.Build) -> BuildRequest:
        """How to build a spooled context, which is looked through before anything is built of it.

        Raises:
            Failure: 422, it would reach out of the build, unpack to too much, or mount a secret that was not given.
        """
        try:
            text = contexts.check(file, wanted.dockerfile)
        except contexts.Unfit as error:
            raise Failure(422, "context", f"The build context {error}.", "Mend it; nothing was built.") from error
        if lacking := sorted(dockerfiles.secrets(text) - wanted.secrets.keys()):
            message = f"{wanted.dockerfile} mounts {', '.join(lacking)}, and no secret of that name was given."
            raise Failure(422, "context", message, "Give it as a build secret; nothing was built.")
        buildkit = dockerfiles.needs_buildkit(text)
        return BuildRequest(wanted.tag, wanted.dockerfile, buildkit=buildkit, secrets=wanted.secrets)

    def build(self, file: IO[bytes], request: BuildRequest) -> Stream[wire.BuildEvent]:
        """Build a context that was checked, so that the same one gives the same image on any droplet that runs it.

        Docker's own cache knows only what was built here, not what was brought here; hence the containers' images.
        """
        known = nearest(self._engine.instances(), request.tag)
        return self._engine.build(contexts.rewritten(file), replace(request, cache_from=known))

    def pull(self, wanted: wire.ImagePull) -> wire.Image:
        """Pull by dockerd's own means; nobody knows before how large it is, so only the reserve is looked at.

        Raises:
            Failure: 422, in Docker's words; 507, the disk is full.
        """
        self.room(0)
        try:
            for event in self._engine.pull(wanted.reference, wanted.login):
                if event.error:
                    raise _not_pulled(wanted.reference, event.error)
                if event.image:
                    self._arrived[event.image.id] = time.monotonic()
                    return event.image
        except EngineAbsent as error:
            raise _not_pulled(wanted.reference, str(error)) from error
        raise Failure(502, "docker", f"The pull of {wanted.reference} ended without an image.", "Try again.")

    def prune(self) -> tuple[str, ...]:
        """Remove images of releases that are not here any more, and those without a tag.

        Those of our containers, kept ones among them, stay, and so do fresh arrivals.
        """
        return self._engine.prune(self._kept())

    def unused(self) -> tuple[str, ...]:
        """The images that `prune` would remove."""
        return self._engine.unused(self._kept())

    def _kept(self) -> frozenset[str]:
        """Images that must not be pruned; an arrival that has come into use is no fresh one any more."""
        now, used = time.monotonic(), {one.image for one in self._engine.instances()}
        fresh = {image: at for image, at in self._arrived.items() if now - at < FRESH_SECONDS and image not in used}
        self._arrived = fresh
        return frozenset(used | fresh.keys())

    @contextmanager
    def spool(self) -> Iterator[IO[bytes]]:
        """A file without a name on the droplet's disk, gone with its last reader or with the agent."""
        self._settings.spool.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=self._settings.spool) as file:
            yield file

    def free(self) -> int:
        """Bytes that may be filled before the disk's reserve is touched; below 0 where it is already."""
        return shutil.disk_usage(_existing(self._settings.spool)).free - self._settings.limits.spare_bytes

    def room(self, size: int) -> None:
        """Check that the disk takes `size` more bytes.

        Raises:
            Failure: 507.
        """
        free = self.free()
        if free < size:
            message = f"The disk has {max(free, 0) >> 20} MiB free beside its reserve; {size >> 20} MiB are needed."
            raise Failure(507, "disk_full", message, "Prune images, or take a larger droplet.")


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    count = 0
    for here, there in zip(one, other, strict=False):
        if here != there:
            break
        count += 1
    return count


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)


def _not_pulled(reference: str, why: str) -> Failure:
    hint = "Check the image's name, and, where its registry is a private one, the user and password for it."
    return Failure(422, "pull_failed", f"{reference}: {why}", hint)


def _refused(image: str, why: str) -> Failure:
    hint = "Ask POST /images/missing again, and send every layer that it names."
    return Failure(422, "load_failed", f"{image} did not load: {why}.", hint)


def nearest(instances: Iterable[Instance], tag: str) -> tuple[str, ...]:
    """The images of containers, the likeliest first to begin as the build of this tag does.

    Docker goes on with the first one whose beginning fits, and looks at no other (moby, image/cache/cache.go; seen with
    20.10): so what serves of the same service comes first, then its newer releases before its older ones, then others.
    """
    service = tag.partition(":")[0]
    newest = sorted(instances, key=lambda one: one.release, reverse=True)
    near = sorted(newest, key=lambda one: (not one.name.endswith(f"_{service}"), one.role != "current"))
    return tuple(dict.fromkeys(one.image for one in near))
