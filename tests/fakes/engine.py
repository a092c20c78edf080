"""Docker of one droplet in memory; kept honest by `tests/contract/agent/test_engine.py`."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import socket
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Condition
from typing import BinaryIO, Generic, TypeVar

from agent import wire
from agent.server import instances
from agent.server.ports import BuildRequest, EngineAbsent, EngineDown, EngineError, Instance, LogEntry, full_name
from tests.fakes.router import Crashes, Killed, Listener

__all__ = ["Crashes", "FakeEngine", "Items", "Killed"]

T = TypeVar("T")
FIRST_ADDRESS = 16
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


@dataclass(frozen=True)
class Stored:
    """An image as the engine keeps it: its configuration, whose digest is its id, and its layers' diff ids."""

    config: bytes
    layers: tuple[str, ...]

    @property
    def id(self) -> str:
        """The image's id."""
        return _digest(self.config)


@dataclass
class Stock:
    """Images and the layers that they are made of; `registry` has what a pull finds, by name."""

    images: dict[str, Stored] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    registry: dict[str, tuple[bytes, ...]] = field(default_factory=dict)
    logins: dict[str, tuple[str, str]] = field(default_factory=dict)
    """User and password that the registry wants for a name."""

    def add(self, layers: Iterable[bytes], tag: str = "", note: str = "") -> Stored:
        """Keep an image; a tag that another one has moves to it. `note` sets it apart from one with equal layers."""
        blobs = {_digest(layer): layer for layer in layers}
        rootfs = {"type": "layers", "diff_ids": list(blobs)}
        made = Stored(json.dumps({"os": "linux", "note": note, "rootfs": rootfs}).encode(), tuple(blobs))
        self.blobs.update(blobs)
        self.images[made.id] = made
        if tag:
            self.tags[tag] = made.id
        return made

    def find(self, reference: str) -> Stored:
        """By id or tag. Raises EngineAbsent."""
        named = reference if ":" in reference else f"{reference}:latest"
        found = self.images.get(self.tags.get(named, reference))
        if found is None:
            raise EngineAbsent(f"No such image: {reference}", 404)
        return found

    def described(self, stored: Stored) -> wire.Image:
        """As the protocol has it."""
        size = sum(len(self.blobs[layer]) for layer in stored.layers)
        tags = tuple(tag for tag, id in self.tags.items() if id == stored.id)
        return wire.Image(id=stored.id, layers=stored.layers, tags=tags, size=size)

    def archive(self, stored: Stored) -> bytes:
        """What `docker save` of 20.10 makes."""
        hexes = [layer.removeprefix("sha256:") for layer in stored.layers]
        name = f"{stored.id.removeprefix('sha256:')}.json"
        manifest = [{"Config": name, "RepoTags": None, "Layers": [f"{one}/layer.tar" for one in hexes]}]
        members = {f"{one}/layer.tar": self.blobs[f"sha256:{one}"] for one in hexes}
        return tar({**members, name: stored.config, "manifest.json": json.dumps(manifest).encode()})

    def load(self, content: bytes) -> None:
        """What `docker load` does. Raises EngineError when a layer is neither in the archive nor here, or another."""
        members = untar(content)
        for entry in json.loads(members["manifest.json"]):
            config = members[entry["Config"]]
            diff_ids = json.loads(config)["rootfs"]["diff_ids"]
            for layer, path in zip(diff_ids, entry["Layers"], strict=True):
                if layer not in self.blobs and path not in members:
                    raise EngineError(f"open {path}: no such file or directory", 400)
                if layer not in self.blobs and _digest(members[path]) != layer:
                    raise EngineError(f"invalid diffID for layer: expected {layer}, got {_digest(members[path])}", 400)
                self.blobs.setdefault(layer, members.get(path, b""))
            made = Stored(config, tuple(diff_ids))
            self.images[made.id] = made


class FakeEngine:
    """The port `agent.server.ports.Engine` in memory. A running container really listens, on a loopback address.

    Args:
        crashes: where the agent dies; shared with the droplet's `FakeRouter`, if that shall count too.

    Switches, to be set at any time:
        down: every call raises EngineDown.
        full: a build finds no space left on the disk.
        mute: releases that run, but refuse every connection.
        crashing: releases that end with code 1 as soon as they start.
        unstartable: releases that Docker refuses to start.
        head_start: how long a container that starts has run already, as it says.
        foreign: names of containers without our labels; none of ours can have such a name.
        statuses: the status that a release answers requests with, 200 unless it is here.
        last_words: what a release that crashes writes last.
        oom: releases that crash because the kernel kills them for their memory.
        built_for: what images are built for, where it is not what the droplet is.

        clock: the time that lines are stamped with, and that containers start at.

    `label` is the prefix that `create` tags images with.
    `add_image` puts an image on the droplet; `say` lets a container write to its log; `exit` ends its process; `rotate`
    loses what a log had; `jump` sets the clock.
    `lent` has the secrets that each build was given, `secrets` what each (name, release) was, `volumes` whose each
    volume is, `runs` the services of the extra containers in which runs overlap.
    `close`, or leaving the `with` block, ends all listeners.
    """

    label = "deployer"

    def __init__(self, crashes: Crashes | None = None) -> None:
        self.crashes = crashes or Crashes()
        self.down = False
        self.full = False
        self.lent: list[dict[str, str]] = []
        self.mute: set[str] = set()
        self.crashing: set[str] = set()
        self.unstartable: set[str] = set()
        self.statuses: dict[str, int] = {}
        self.last_words = "FATAL it cannot go on"
        self.oom: set[str] = set()
        self.built_for = ARCHITECTURE
        self.head_start = timedelta(0)
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.secrets: dict[tuple[str, str], dict[str, str]] = {}
        self.volumes: dict[str, str] = {}
        self.runs: list[str] = []
        self.foreign: set[str] = set()
        self.stock = Stock()
        self._claim, self._network = _claim_network()
        self._ids = count(1)
        self._found: dict[str, Instance] = {}
        self._listeners: dict[str, Listener] = {}
        self._logs: dict[str, list[LogEntry]] = {}
        self._changed = Condition()
        self._last = datetime.min.replace(tzinfo=UTC)

    def __enter__(self) -> FakeEngine:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes it."""
        self.close()

    def close(self) -> None:
        """End all containers."""
        with self._changed:
            for id in list(self._found):
                self._end(id, 0)
        self._claim.close()

    def add_image(self, *layers: bytes, tag: str = "") -> wire.Image:
        """An image with these layers on the droplet."""
        return self.stock.described(self.stock.add(layers, tag))

    def say(self, full_name: str, text: str, stream: str = "stdout") -> None:
        """A container writes a line."""
        with self._changed:
            self._logs[self._known(full_name).id].append(LogEntry(self._now(), stream, text))
            self._changed.notify_all()

    def rotate(self, full_name: str) -> None:
        """What a container wrote so far is gone from its log."""
        with self._changed:
            self._logs[self._known(full_name).id].clear()

    def jump(self, now: datetime) -> None:
        """The clock is set, to an earlier time too."""
        self.clock, self._last = lambda: now, now

    def exit(self, full_name: str, code: int = 1) -> None:
        """A container's process ends by itself."""
        with self._changed:
            self._end(self._known(full_name).id, code)

    def version(self) -> str:
        """That of Debian 12."""
        with self._call("version"):
            return "20.10.24"

    def instances(self, name: str | None = None) -> tuple[Instance, ...]:
        """All containers, or one service's, in the order of their names."""
        with self._call("instances"):
            found = (one for one in self._found.values() if name in (None, one.name))
            return tuple(sorted(found, key=lambda one: one.full_name))

    def strangers(self) -> tuple[str, ...]:
        """Those of `foreign`."""
        with self._call("strangers"):
            return tuple(sorted(self.foreign))

    def volume_names(self) -> tuple[str, ...]:
        """Those of `volumes`."""
        with self._call("volume_names"):
            return tuple(sorted(self.volumes))

    def create(self, name: str, spec: wire.ContainerSpec) -> Instance:
        """A candidate that does not run yet, with the lowest free address."""
        with self._call("create"):
            self._free_name(full_name(name, "candidate"))
            self.stock.tags[instances.release_tag(self.label, name, spec.release)] = self.stock.find(spec.image).id
            taken = {one.address for one in self._found.values()}
            addresses = (f"{self._network}.{number}" for number in range(FIRST_ADDRESS, 255))
            made = Instance(
                id=f"{next(self._ids):064x}",
                name=name,
                role="candidate",
                release=spec.release,
                image=spec.image,
                status="created",
                address=next(one for one in addresses if one not in taken),
                port=spec.port,
                hosts=spec.hosts,
                health=spec.health,
                drain_seconds=spec.drain_seconds,
                memory_mib=spec.memory_mib,
                kind=spec.kind,
                exclusive=spec.exclusive,
                steady_seconds=spec.steady_seconds,
                cron=spec.cron,
                volumes=spec.volumes,
                log=spec.log,
                created_at=self._now(),
                variables=(*spec.environment, "DEPLOYER_RELEASE", "DEPLOYER_DROPLET", "DEPLOYER_SERVICE"),
                pinned=instances.pinned(spec),
            )
            self.volumes.update({instances.volume_name(name, one.name): name for one in spec.volumes})
            self._found[made.id], self._logs[made.id] = made, []
            self.secrets[name, spec.release] = dict(spec.secrets)
            return made

    def start(self, full_name: str) -> None:
        """Start it; running already is fine."""
        with self._call("start"):
            self._begin(self._known(full_name))

    def stop(self, full_name: str, seconds: int) -> None:
        """Ends at once."""
        with self._call("stop"):
            self._end(self._known(full_name).id, 0)

    def restart(self, full_name: str, seconds: int) -> None:
        """Stop and start."""
        with self._call("restart"):
            known = self._known(full_name)
            self._end(known.id, 0)
            self._begin(self._found[known.id])

    def rename(self, instance: Instance, role: wire.Role) -> None:
        """Another role, if nobody has it."""
        with self._call("rename"):
            if instance.id not in self._found:
                raise EngineAbsent(f"No such container: {instance.id}", 404)
            self._free_name(full_name(instance.name, role, instance.release))
            self._found[instance.id] = replace(self._found[instance.id], role=role)

    def remove(self, full_name: str, keep_secrets: bool = False) -> None:
        """Remove it; absent is fine."""
        with self._call("remove"):
            for one in [one for one in self._found.values() if one.full_name == full_name]:
                self._end(one.id, 137)
                del self._found[one.id], self._logs[one.id]
                if not keep_secrets:
                    self.secrets.pop((one.name, one.release), None)

    def remove_runs(self, name: str) -> int:
        """Those that `runs` names."""
        with self._call("remove_runs"):
            before = len(self.runs)
            self.runs = [one for one in self.runs if one != name]
            return before - len(self.runs)

    def remove_volume(self, name: str, volume: str) -> bool:
        """Only while no container has it."""
        with self._call("remove_volume"):
            users = (one for one in self._found.values() if volume in [used.name for used in one.volumes])
            if any(one.name == name for one in users):
                raise EngineError("remove volume: volume is in use", 409)
            return self.volumes.pop(instances.volume_name(name, volume), None) is not None

    def logs(
        self, full_name: str, tail: int | None = None, since: datetime | None = None, follow: bool = False
    ) -> Items[LogEntry]:
        """Its lines; with `follow` until it ends or the stream is closed."""
        with self._call("logs"):
            id = self._known(full_name).id
            old = [entry for entry in self._logs[id] if since is None or entry.at >= since]
            position, closed = len(self._logs[id]), [False]
        recent = old if tail is None else old[-tail:]

        def close() -> None:
            with self._changed:
                closed[0] = True
                self._changed.notify_all()

        return Items(self._told(id, recent, position, closed) if follow else iter(recent), close)

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
        used = keep | {one.image for one in self._found.values()}
        every = (self.stock.described(one) for one in self.stock.images.values() if one.id not in used)
        return tuple(one.id for one in every if instances.may_go(self.label, one))

    def _known(self, name: str) -> Instance:
        found = next((one for one in self._found.values() if name in (one.full_name, one.id)), None)
        if found is None:
            raise EngineAbsent(f"No such container: {name}", 404)
        return found

    def _free_name(self, name: str) -> None:
        if name in self.foreign or any(one.full_name == name for one in self._found.values()):
            raise EngineError(f'The container name "/{name}" is already in use.', 409)

    def _begin(self, one: Instance) -> None:
        if one.running:
            return
        if one.release in self.unstartable:
            self._found[one.id] = replace(one, exit_code=127, error="executable file not found in $PATH")
            raise EngineError("executable file not found in $PATH", 400)
        started = self._now() - self.head_start
        self._found[one.id] = replace(one, status="running", started_at=started, exit_code=0, oom=False, error="")
        self._logs[one.id].append(LogEntry(self._now(), "stdout", f"{one.release} starts"))
        if one.release in self.crashing:
            self._logs[one.id].append(LogEntry(self._now(), "stderr", self.last_words))
            killed = one.release in self.oom
            self._found[one.id] = replace(self._found[one.id], oom=killed)
            self._end(one.id, 137 if killed else 1)
        elif one.port and one.release not in self.mute:
            status = self.statuses
            self._listeners[one.id] = Listener(
                one.address, one.port, lambda: status.get(one.release, 200), f"{one.name} {one.release}"
            )

    def _end(self, id: str, code: int) -> None:
        if listener := self._listeners.pop(id, None):
            listener.close()
        if self._found[id].running:
            self._found[id] = replace(self._found[id], status="exited", exit_code=code, ended_at=self._now())
        self._changed.notify_all()

    def _told(self, id: str, recent: list[LogEntry], position: int, closed: list[bool]) -> Iterator[LogEntry]:
        yield from recent
        while True:
            with self._changed:
                while not closed[0] and len(self._logs.get(id, ())) <= position and self._lives(id):
                    self._changed.wait()
                if closed[0] or len(self._logs.get(id, ())) <= position:
                    return
                entry = self._logs[id][position]
            position += 1
            yield entry

    def _lives(self, id: str) -> bool:
        return id in self._found and self._found[id].running

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

    def _now(self) -> datetime:
        """The time, and never the same twice."""
        self._last = max(self.clock(), self._last + timedelta(microseconds=1))
        return self._last


def tar(files: dict[str, bytes]) -> bytes:
    """A tar archive of files, the same bytes for the same files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def untar(content: bytes) -> dict[str, bytes]:
    """The files of a tar archive."""
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
        files = ((member.name, archive.extractfile(member)) for member in archive if member.isreg())
        return {name: file.read() for name, file in files if file}


def _claim_network() -> tuple[socket.socket, str]:
    """A part of 127.88.0.0/16 that no other fake has, in any process, for as long as the socket is open."""
    for number in range(255):
        claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            claim.bind((f"127.88.{number}.1", 9888))
        except OSError:
            claim.close()
        else:
            return claim, f"127.88.{number}"
    raise AssertionError("255 fake engines are open: close them")


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
