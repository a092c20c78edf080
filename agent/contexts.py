"""A build context, a tar, looked through before anything is built of it, and written anew for the builder.

For both ends: the controller refuses at its door, and the agent does not rely on that. The builder never sees the bytes
that came: it gets what was understood of them, so that nothing hides in what two readers of tar take differently.
"""

from __future__ import annotations

import posixpath
import tarfile
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Final

from agent import dockerfiles, tars

LIMIT_MIB: Final = 8192
"""How much a context may hold, unpacked."""
ENTRIES_LIMIT: Final = 40_000
"""How many files, folders and links."""
NAMES_LIMIT: Final = 8 << 20
"""Bytes of all names together; with them the memory that a check takes is bounded."""
HOPS_LIMIT: Final = 40
"""As many links in a row as Linux follows."""
STEPS_LIMIT: Final = 2_000_000
CHUNK_BYTES: Final = 1 << 18
_BLOCK: Final = 512
_KEPT: Final = "SCHILY.xattr."
"""Of a file's extended header, what the image keeps: the rest is said by the plain fields."""


class Unfit(ValueError):
    """It may not be built; the message is the end of a sentence that begins with the context's name."""


@dataclass
class Inspection:
    """Members of a context looked at one by one, before any of their content is."""

    size: int = 0
    """Bytes of all files so far, as they are unpacked."""
    _files: set[str] = field(default_factory=set)
    _folders: set[str] = field(default_factory=lambda: {"."})
    _links: dict[str, str] = field(default_factory=dict)
    _names: int = 0
    _steps: int = 0

    def add(self, member: tarfile.TarInfo) -> None:
        """The next one.

        Raises:
            Unfit: it is none of a context, or there are too many.
        """
        self._count(member)
        name = _inside(member.name)
        self._place(name, member)
        if member.isdir():
            self._folders.add(name)
        elif member.issym():
            self._links[name] = member.linkname
        elif member.islnk():
            self._share(name, member)
        elif member.isreg() and not member.issparse() and not _says_sparse(member):
            self._files.add(name)
        else:
            raise Unfit(f"holds {member.name!r}, which is neither a plain file nor a folder nor a link")

    def finish(self) -> None:
        """All have been added: none of the links may lead out, on whatever way.

        Raises:
            Unfit: one does.
        """
        for name, target in self._links.items():
            if self._leads_out(name):
                raise Unfit(f"holds the link {name!r} to {target!r}, which leads out of it")

    def _count(self, member: tarfile.TarInfo) -> None:
        self.size += member.size if member.isreg() else 0
        self._names += len(member.name) + len(member.linkname)
        if len(self._files) + len(self._folders) + len(self._links) >= ENTRIES_LIMIT or self._names > NAMES_LIMIT:
            raise Unfit(f"holds more than {ENTRIES_LIMIT} files, folders and links, or names that are too long")
        if self.size > LIMIT_MIB << 20:
            raise Unfit(f"holds more than {LIMIT_MIB} MiB when it is unpacked")

    def _place(self, name: str, member: tarfile.TarInfo) -> None:
        """Its place is free, and lies below folders only."""
        if name in self._files or name in self._links or (name in self._folders and not member.isdir()):
            raise Unfit(f"holds {member.name!r} twice")
        above = posixpath.dirname(name)
        while above and above not in self._folders:
            if above in self._files or above in self._links:
                raise Unfit(f"holds {member.name!r} below {above!r}, which is no folder")
            self._folders.add(above)
            above = posixpath.dirname(above)

    def _share(self, name: str, member: tarfile.TarInfo) -> None:
        if _inside(member.linkname) not in self._files:
            raise Unfit(f"holds {member.name!r}, a hard link to {member.linkname!r}, which is no file of it")
        self._files.add(name)

    def _leads_out(self, name: str) -> bool:
        """Follow it as Linux would, with the context for the root of the world."""
        here: list[str] = []
        rest, hops = deque(name.split("/")), 0
        while rest and hops <= HOPS_LIMIT:
            self._steps += 1
            if self._steps > STEPS_LIMIT:
                raise Unfit("holds links that are too entangled to follow")
            part = rest.popleft()
            if part == ".." and not here:
                return True
            _step(here, part)
            target = self._links.get("/".join(here))
            if target is not None and part not in {"", ".", ".."}:
                if target.startswith("/"):
                    return True
                here.pop()
                rest.extendleft(reversed(target.split("/")))
                hops += 1
        return False


def check(file: IO[bytes], dockerfile: str) -> str:
    """Whether this tar may be built; gives the text of its Dockerfile.

    Only headers are read, so that it takes as much memory for a context of any size.

    Raises:
        Unfit: it may not, and why.
    """
    seen, text = Inspection(), None
    for archive, member in _members(file):
        seen.add(member)
        if member.isreg() and posixpath.normpath(member.name) == posixpath.normpath(dockerfile):
            text = _text(archive, member)
    seen.finish()
    if text is None:
        raise Unfit(f"holds no file {dockerfile}")
    check_dockerfile(dockerfile, text)
    return text


def check_dockerfile(name: str, text: str) -> None:
    """Whether a Dockerfile may be built.

    Raises:
        Unfit: it may not, and why.
    """
    try:
        dockerfiles.check(text)
    except dockerfiles.Refused as error:
        raise Unfit(f"cannot be built: its {name} {error}") from error


def rewritten(file: IO[bytes]) -> Iterator[bytes]:
    """A context that was checked, written anew member by member, as it streams.

    Raises:
        Unfit: what its headers promised is not there.
    """
    for archive, member in _members(file):
        member.pax_headers = {key: value for key, value in member.pax_headers.items() if key.startswith(_KEPT)}
        yield member.tobuf(tarfile.PAX_FORMAT)
        if member.isreg():
            yield from _content(archive, member)
    yield b"\0" * (2 * _BLOCK)


def _members(file: IO[bytes]) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    try:
        yield from tars.members(file)
    except tars.Unreadable as error:
        raise Unfit(str(error)) from error


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    content, left = archive.extractfile(member), member.size
    while content and (chunk := content.read(CHUNK_BYTES)):
        left -= len(chunk)
        yield chunk
    if left:
        raise Unfit(f"ends within {member.name!r}")
    yield b"\0" * (-member.size % _BLOCK)


def _text(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    content = archive.extractfile(member)
    return content.read(dockerfiles.BYTES_LIMIT + 1).decode(errors="replace") if content else ""


def _inside(name: str) -> str:
    """The name without what means nothing, if it leads nowhere else."""
    if name.startswith("/") or ".." in name.split("/"):
        raise Unfit(f"holds {name!r}, which leads out of it")
    return posixpath.normpath(name)


def _says_sparse(member: tarfile.TarInfo) -> bool:
    return any(key.startswith("GNU.sparse") for key in member.pax_headers)


def _step(here: list[str], part: str) -> None:
    if part == "..":
        here.pop()
    elif part not in {"", "."}:
        here.append(part)
