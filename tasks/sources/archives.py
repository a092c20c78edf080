"""An archive with a build context, unpacked with care: whoever made it may have meant to write elsewhere."""

from __future__ import annotations

import gzip
import posixpath
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, cast

from agent import contexts as agent_contexts
from fleet.errors import InvalidInput

READ_LIMIT = 16 << 20
"""No header is larger; one that says so would be read into memory at once."""
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Member:
    """A file, folder or link of an archive."""

    name: str
    size: int
    extract: Callable[[Path], None]
    """Writes it below a folder."""


def unpack(path: Path, into: Path) -> None:
    """All that an archive holds, below a folder.

    Raises:
        InvalidInput: it is not there, no archive, too large, or would write elsewhere.
    """
    with _explained(path):
        for member in members(path):
            member.extract(into)


def check(path: Path, folder: str, dockerfile: str) -> None:
    """Whether an archive is one, and has this Dockerfile; it is read as a whole, and nothing is written.

    Raises:
        InvalidInput: what is wrong with it.
    """
    with _explained(path):
        names = {posixpath.normpath(member.name) for member in members(path)}
    wanted = posixpath.join(folder, dockerfile)
    if wanted not in names:
        raise InvalidInput(
            f"There is no file {wanted} in the archive {path}.",
            hint="Name the Dockerfile as it is called, and the folder inside where the build context begins.",
        )


def members(path: Path) -> Iterator[Member]:
    """What an archive holds, checked one by one.

    Raises:
        InvalidInput: there is too much of it, or a name leads out of it.
    """
    count = size = 0
    for member in _zip(path) if path.suffix == ".zip" else _tar(path):
        count, size = count + 1, size + member.size
        if member.name.startswith("/") or ".." in member.name.split("/"):
            raise _unfit(path, f"holds {member.name!r}, which leads out of it")
        if count > agent_contexts.ENTRIES_LIMIT:
            raise _unfit(path, f"holds more than {agent_contexts.ENTRIES_LIMIT} files")
        if size > agent_contexts.LIMIT_MIB << 20:
            raise _unfit(path, f"holds more than {agent_contexts.LIMIT_MIB} MiB")
        yield member


def _tar(path: Path) -> Iterator[Member]:
    with path.open("rb") as raw:
        packed = raw.read(len(_GZIP)) == _GZIP
        raw.seek(0)
        stream = cast(IO[bytes], gzip.GzipFile(fileobj=raw) if packed else raw)
        with tarfile.open(fileobj=cast(IO[bytes], _Careful(stream, path)), mode="r:") as archive:
            for member in archive:
                if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
                    raise _unfit(path, f"holds {member.name!r}, which is neither a file nor a folder nor a link")
                yield Member(member.name, member.size, partial(_write_tar, archive, member))


def _write_tar(archive: tarfile.TarFile, member: tarfile.TarInfo, into: Path) -> None:
    archive.extract(member, into, filter="data")  # which refuses links that lead out


def _zip(path: Path) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if stat.S_ISLNK(member.external_attr >> 16):
                raise _unfit(path, f"holds {member.filename!r}, a link, which only a tar may")
            yield Member(member.filename, member.file_size, partial(_write_zip, archive, member))


def _write_zip(archive: zipfile.ZipFile, member: zipfile.ZipInfo, into: Path) -> None:
    target = into / member.filename
    if member.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(member) as content, target.open("xb") as file:
        shutil.copyfileobj(content, file)
    if mode := stat.S_IMODE(member.external_attr >> 16) & 0o777:
        target.chmod(mode | 0o600)


class _Careful:
    """A file of which no more than a header or a chunk can be read at once."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file, self._path = file, path

    def read(self, size: int = -1) -> bytes:
        """The next bytes. Raises InvalidInput when it would be too much."""
        if not 0 <= size <= READ_LIMIT:
            raise _unfit(self._path, "has a header that no packer writes")
        return self._file.read(size)

    def seek(self, position: int) -> int:
        """To a place in it."""
        return self._file.seek(position)

    def tell(self) -> int:
        """Where it is."""
        return self._file.tell()


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    if not path.is_file():
        raise InvalidInput(
            f"There is no file {path} on the machine that runs the worker.",
            hint="Give the absolute path of an archive that is there.",
        )
    broken = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, OSError)
    try:
        yield
    except broken as error:
        raise _unfit(path, f"cannot be unpacked ({error or type(error).__name__})") from error


def _unfit(path: Path, why: str) -> InvalidInput:
    return InvalidInput(
        f"The archive {path} {why}.", hint="Pack the folder anew, with names that are relative to it and without links."
    )
