"""Image archives (`docker save`): read what is inside, and leave out the layers that the receiver has.

For both ends: an agent sends what its Docker has, a controller what its own Docker has.

Both layouts are understood, that of Docker 20.10 (`{id}/layer.tar`) and the newer one (`blobs/sha256/…`): the
manifest says which member holds which layer.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import IO, Any, Final

from agent import tars

CHUNK_BYTES: Final = 1 << 18
ENTRIES_LIMIT: Final = 4096
"""How many members it may have; an image has 127 layers at most, and a few members for each."""
_SMALL_BYTES: Final = 8 << 20
_BLOCK: Final = 512


class Malformed(ValueError):
    """It is no archive of one image; the message says why."""


@dataclass(frozen=True)
class Contents:
    """What an archive's manifest promises."""

    image: str
    """The image's id."""
    layers: dict[str, str]
    """The member of each diff id."""


def read(file: IO[bytes]) -> Contents:
    """The contents of an archive of one image, its configuration checked against the id.

    Raises:
        Malformed: it is no such archive.
    """
    _walk(file)
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            manifest = json.loads(_small(archive, "manifest.json"))
            if len(manifest) != 1:
                raise Malformed(f"it holds {len(manifest)} images, not one")
            config = _small(archive, manifest[0]["Config"])
            return _contents(manifest[0], config)
    except Malformed:
        raise
    except (tarfile.TarError, KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise Malformed(str(error) or type(error).__name__) from error


def _walk(file: IO[bytes]) -> None:
    """From header to header, once, before anything is remembered of it."""
    try:
        for number, _ in enumerate(tars.members(file)):
            if number >= ENTRIES_LIMIT:
                raise Malformed(f"it has more than {ENTRIES_LIMIT} members")
    except tars.Unreadable as error:
        raise Malformed(f"it {error}") from error
    file.seek(0)


def partial(file: IO[bytes], omit: Collection[str]) -> Iterator[bytes]:
    """The archive again, as it streams, without the members of the layers in `omit`.

    Raises:
        Malformed: it is no archive of one image (before the first byte).
    """
    contents = read(file)
    unwanted = {member for layer, member in contents.layers.items() if layer in omit}
    return _filtered(file, unwanted)


def _filtered(file: IO[bytes], unwanted: set[str]) -> Iterator[bytes]:
    file.seek(0)
    with tarfile.open(fileobj=file, mode="r:") as archive:
        for member in archive:
            if member.name not in unwanted:
                yield member.tobuf(tarfile.PAX_FORMAT)
                yield from _data(archive, member)
    yield b"\0" * (2 * _BLOCK)


def _data(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    content = archive.extractfile(member) if member.isreg() else None
    if content is None:
        return
    while chunk := content.read(CHUNK_BYTES):
        yield chunk
    yield b"\0" * (-member.size % _BLOCK)


def _small(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.getmember(name)
    content = archive.extractfile(member)
    if content is None or member.size > _SMALL_BYTES:
        raise Malformed(f"{name} is no small file")
    return content.read()


def _contents(manifest: dict[str, Any], config: bytes) -> Contents:
    digest = hashlib.sha256(config).hexdigest()
    if digest not in manifest["Config"]:
        raise Malformed("its configuration does not have the digest that it is named by")
    diff_ids, members = json.loads(config)["rootfs"].get("diff_ids") or [], manifest["Layers"] or []
    if not all(isinstance(one, str) for one in (*diff_ids, *members)):
        raise Malformed("its layers are not named by words")
    if len(diff_ids) != len(members):
        raise Malformed("its manifest and its configuration disagree on the layers")
    return Contents(f"sha256:{digest}", dict(zip(diff_ids, members, strict=True)))
