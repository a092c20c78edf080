"""The images of a fake engine: built, pulled, loaded, saved, and pruned."""

from __future__ import annotations

import contextlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from threading import Condition
from typing import BinaryIO, Generic, TypeVar

from agent import wire
from agent.server import instances
from agent.server.ports import BuildRequest, EngineAbsent, EngineDown, EngineError
from tests.fakes.router import Crashes
from tests.fakes.stock import Stock, tar, untar

T = TypeVar("T")
ARCHITECTURE = "amd64"


class Items(Generic[T]):
    """A stream that ends when its items do, or when it is closed."""

    def __init__(self, items: Iterator[T], closed: Callable[[], None] = lambda: None) -> None:
        self._items = items
        self._on_close = closed
        self._open = True

    def __iter__(self) -> Items[T]:
        """Itself."""
        return self

    def __next__(self) -> T:
        """The next item."""
        if not self._open:
            raise StopIteration
        return next(self._items)

    def close(self) -> None:
        """End it."""
        self._open = False
        self._on_close()


class ImageEngine(ABC):
    """What `FakeEngine` does with images; its docstring says what its switches do."""

    label = "deployer"

    def __init__(self, crashes: Crashes) -> None:
        self.crashes = crashes
        self.down = False
        self.full = False
        self.lent: list[dict[str, str]] = []
        self.built_for = ARCHITECTURE
        self.stock = Stock()
        self._changed = Condition()

    @abstractmethod
    def _used(self) -> frozenset[str]:
        """The images that containers have."""

    def add_image(self, *layers: bytes, tag: str = "") -> wire.Image:
        """An image with these layers on the droplet."""
        return self.stock.described(self.stock.add(layers, tag))

    def images(self) -> tuple[wire.Image, ...]:
        """All images."""
        with self._call("images"):
            return tuple(self.stock.described(one) for one in self.stock.images.values())

    def image(self, reference: str) -> wire.Image:
        """One image, by id or tag."""
        with self._call("image"):
            return self.stock.described(self.stock.find(reference))

    def architectures(self, image: str) -> tuple[str, str]:
        """What `built_for` says."""
        with self._call("architectures"):
            self.stock.find(image)
            return self.built_for, ARCHITECTURE

    def save(self, image: str) -> Items[bytes]:
        """Its archive, in small chunks."""
        with self._call("save"):
            content = self.stock.archive(self.stock.find(image))
            return Items(content[at : at + 4096] for at in range(0, len(content), 4096))

    def load(self, archive: BinaryIO) -> None:
        """Keep what an archive holds."""
        with self._call("load"):
            self.stock.load(archive.read())

    def tag(self, image: str, tag: str) -> None:
        """Move a tag to an image."""
        with self._call("tag"):
            self.stock.tags[tag] = self.stock.find(image).id

    def build(self, context: Iterable[bytes], request: BuildRequest) -> Items[wire.BuildEvent]:
        """FROM and COPY make layers, RUN works with a program that was copied; the rest only makes another image."""
        with self._call("build"):
            files = untar(b"".join(context))
            if not files.get(request.dockerfile):
                raise EngineError(f"the Dockerfile ({request.dockerfile}) is absent or empty", 400)
            return Items(iter(list(self._built(files, request))))

    def pull(self, reference: str, login: wire.RegistryLogin | None = None) -> Items[wire.BuildEvent]:
        """What `stock.registry` has, for who has the login in `stock.logins`."""
        with self._call("pull"):
            name = reference if ":" in reference.rpartition("/")[2] or "@" in reference else f"{reference}:latest"
            if name not in self.stock.registry:
                raise EngineAbsent(f"manifest for {name} not found", 404)
            given = (login.user, login.password) if login else None
            if self.stock.logins.get(name, given) != given:
                raise EngineAbsent(f"Head {name}: unauthorized: authentication required", 404)
            made = self.stock.add(self.stock.registry[name], name)
            return Items(iter([wire.BuildEvent(line="Pulled"), wire.BuildEvent(image=self.stock.described(made))]))

    def layer_sizes(self, image: str) -> tuple[int, ...]:
        """What its blobs weigh."""
        with self._call("layer_sizes"):
            return tuple(len(self.stock.blobs[layer]) for layer in reversed(self.stock.find(image).layers))

    def unused(self, keep: frozenset[str]) -> tuple[str, ...]:
        """What may go, has no container, and no place in `keep`."""
        with self._call("unused"):
            return self._unused(keep)

    def prune(self, keep: frozenset[str]) -> tuple[str, ...]:
        """Remove that."""
        with self._call("prune"):
            unused = self._unused(keep)
            for id in unused:
                del self.stock.images[id]
            self.stock.tags = {tag: id for tag, id in self.stock.tags.items() if id in self.stock.images}
            needed = {layer for one in self.stock.images.values() for layer in one.layers}
            self.stock.blobs = {layer: blob for layer, blob in self.stock.blobs.items() if layer in needed}
            return unused

    @contextlib.contextmanager
    def _call(self, name: str) -> Iterator[None]:
        with self._changed, self.crashes.step(f"engine.{name}"):
            if self.down:
                raise EngineDown("it is down")
            yield

    def _unused(self, keep: frozenset[str]) -> tuple[str, ...]:
        used = keep | self._used()
        every = (self.stock.described(one) for one in self.stock.images.values() if one.id not in used)
        return tuple(one.id for one in every if instances.may_go(self.label, one))

    def _built(self, files: dict[str, bytes], request: BuildRequest) -> Iterator[wire.BuildEvent]:
        steps = [line for line in files[request.dockerfile].decode().split("\n") if line.strip()]
        layers: list[bytes] = []
        copied: set[str] = set()
        if any("--mount" in step for step in steps) and not request.buildkit:
            yield wire.BuildEvent(error="the --mount option requires BuildKit")
            return
        self.lent.append(dict(request.secrets))
        if self.full:
            yield wire.BuildEvent(line="dd: error writing '/large': No space left on device")
            yield wire.BuildEvent(error="The command '/bin/sh -c dd' returned a non-zero code: 1")
            return
        for number, step in enumerate(steps, 1):
            yield wire.BuildEvent(line=f"Step {number}/{len(steps)} : {step}")
            word, _, rest = step.partition(" ")
            try:
                layers += self._made(word, rest.split(), files, copied)
            except EngineError as error:
                yield wire.BuildEvent(error=str(error))
                return
        tag = request.tag if ":" in request.tag else f"{request.tag}:latest"
        made = self.stock.add(layers, tag, json.dumps([steps, request.labels]))
        yield wire.BuildEvent(image=self.stock.described(made))

    def _made(self, word: str, rest: list[str], files: dict[str, bytes], copied: set[str]) -> list[bytes]:
        """The layers that a step adds."""
        if word == "FROM":
            base = () if rest[0] == "scratch" else self.stock.find(rest[0]).layers
            return [self.stock.blobs[layer] for layer in base]
        if word == "COPY":
            if rest[0] not in files:
                raise EngineError(f"COPY failed: file not found in build context: {rest[0]}")
            copied.add(rest[1])
            return [tar({rest[1].lstrip("/"): files[rest[0]]})]
        rest = [part for part in rest if not part.startswith("--")]
        if word == "RUN" and json.loads(" ".join(rest))[0] not in copied:
            raise EngineError("OCI runtime create failed: no such file or directory: unknown")
        if word not in {"RUN", "CMD", "LABEL"}:
            raise NotImplementedError(f"{word} in a Dockerfile; teach it to FakeEngine")
        return []
