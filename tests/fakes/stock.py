"""Images of a droplet in memory, and the archives that they travel in."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, field

from agent import wire
from agent.server.ports import EngineAbsent, EngineError


@dataclass(frozen=True)
class Stored:
    """An image as the engine keeps it: its configuration, whose digest is its id, and its layers' diff ids."""

    config: bytes
    layers: tuple[str, ...]

    @property
    def id(self) -> str:
        """The image's id."""
        return digest(self.config)


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
        blobs = {digest(layer): layer for layer in layers}
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
                if layer not in self.blobs and digest(members[path]) != layer:
                    raise EngineError(f"invalid diffID for layer: expected {layer}, got {digest(members[path])}", 400)
                self.blobs.setdefault(layer, members.get(path, b""))
            made = Stored(config, tuple(diff_ids))
            self.images[made.id] = made


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


def digest(content: bytes) -> str:
    """As Docker names what has this content."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
