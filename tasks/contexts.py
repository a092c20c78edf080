"""A build context: the folder that a Dockerfile builds from, as one stream."""

from __future__ import annotations

import contextlib
import io
import itertools
import re
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import IO

from docker.utils import build as docker_build

from agent import contexts as agent_contexts
from agent import dockerfiles
from fleet.errors import InvalidInput, PermanentError

HEADER_BYTES = 2048
"""At most what a tar needs for a member beside its content."""
BASE_TAG = "local/base:latest"
_FROM_BASE = re.compile(r"^\s*FROM\s+(--\S+\s+)*local/base(:latest)?\s*($|\s)", re.IGNORECASE | re.MULTILINE)


def pack(folder: Path, dockerfile: str, title: str = "", moment: int | None = None) -> IO[bytes]:
    """The folder as a tar, without what its `.dockerignore` names; the caller closes it.

    Args:
        folder: what is packed.
        dockerfile: path of the Dockerfile inside it.
        title: what a person calls a folder that was made for this.
        moment: when each file was changed last, in seconds since 1970, for a folder that was made just now; so the
            same content is the same tar again.

    Raises:
        InvalidInput: the folder or the Dockerfile is not there, or something in it must not be built.
        PermanentError: the temporary folder has no room for the tar.
    """
    named = title or f"build context {folder}"
    check(folder, dockerfile, title)
    members, size = _survey(folder, dockerfile, named)
    _check_room(size + len(members) * HEADER_BYTES, named)
    archive = tempfile.TemporaryFile()  # noqa: SIM115  # handed to the caller
    try:
        _write(archive, folder, members, moment)
        archive.seek(0)
    except BaseException:
        archive.close()
        raise
    return archive


def check(folder: Path, dockerfile: str, title: str = "") -> None:
    """Whether there is something to build; `title` is what a person calls a folder that was made for this.

    Raises:
        InvalidInput: the folder or the Dockerfile is not there, or the Dockerfile says what no build may do.
    """
    named = title or f"build context {folder}"
    if not folder.is_dir():
        raise InvalidInput(
            f"The {named} is not a folder on the machine that runs the worker.",
            hint="Give the absolute path of a folder that is there.",
        )
    if not (folder / dockerfile).is_file():
        raise InvalidInput(
            f"There is no file {dockerfile} in the {named}.",
            hint="Put a Dockerfile there, or name it as it is called.",
        )
    if not (folder / dockerfile).resolve().is_relative_to(folder.resolve()):
        raise InvalidInput(
            f"{dockerfile} in the {named} is a link that leads out of it.", hint="Put the file itself there."
        )
    try:
        agent_contexts.check_dockerfile(dockerfile, _read(folder / dockerfile))
    except agent_contexts.Unfit as error:
        raise refused(named, error) from error


def names_base(text: str) -> bool:
    """Whether a Dockerfile builds on `local/base:latest`."""
    return bool(_FROM_BASE.search(text))


def read_dockerfile(folder: Path, dockerfile: str) -> str:
    """The text of a Dockerfile that was checked."""
    return _read(folder / dockerfile)


def survey(folder: Path, dockerfile: str, title: str = "") -> int:
    """Everything of a folder that would be packed, looked at without reading it; gives its size in bytes.

    Raises:
        InvalidInput: as `pack`.
    """
    check(folder, dockerfile, title)
    return _survey(folder, dockerfile, title or f"build context {folder}")[1]


def refused(named: str, error: agent_contexts.Unfit) -> InvalidInput:
    """The error of a context that must not be built."""
    return InvalidInput(
        f"The {named} {error}.", hint="Mend that, or name in a .dockerignore what the image does not need."
    )


def _survey(folder: Path, dockerfile: str, named: str) -> tuple[list[tarfile.TarInfo], int]:
    """What goes into the tar, looked at before a byte is read; and how many bytes that will be."""
    inspection, paths = agent_contexts.Inspection(), _packed(folder, dockerfile, named)
    try:
        with tarfile.TarFile(fileobj=io.BytesIO(), mode="w") as tar:
            found = [tar.gettarinfo(str(folder / path), arcname=path) for path in paths]
        members = [member for member in found if member]  # a socket is none, and Docker leaves it out too
        for member in members:
            inspection.add(member)
        inspection.finish()
    except agent_contexts.Unfit as error:
        raise refused(named, error) from error
    return members, inspection.size


def _packed(folder: Path, dockerfile: str, named: str) -> list[str]:
    """All that its `.dockerignore` leaves, up to one more than may be."""
    try:
        matcher = docker_build.PatternMatcher([*_ignored(folder, dockerfile), f"!{dockerfile}"])
        return sorted(itertools.islice(matcher.walk(str(folder.resolve())), agent_contexts.ENTRIES_LIMIT + 1))
    except re.error as error:
        raise InvalidInput(
            f"The .dockerignore of the {named} has a pattern that cannot be read ({error}).",
            hint="Mend the part in brackets, e.g. [a-z].",
        ) from error


def _write(archive: IO[bytes], folder: Path, members: list[tarfile.TarInfo], moment: int | None) -> None:
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member in members:
            member.mtime = member.mtime if moment is None else moment
            with contextlib.ExitStack() as stack:
                tar.addfile(member, stack.enter_context((folder / member.name).open("rb")) if member.isreg() else None)


def _check_room(size: int, named: str) -> None:
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if free < size:
        raise PermanentError(
            f"The {named} is {size >> 20} MiB, and {tempfile.gettempdir()} on the machine that runs the worker has "
            f"{free >> 20} MiB free.",
            hint="Make room there, or name in a .dockerignore what the image does not need.",
        )


def _ignored(folder: Path, dockerfile: str) -> list[str]:
    """The patterns of the Dockerfile's own `.dockerignore`, if it has one, or else of the folder's."""
    own, common = folder / f"{dockerfile}.dockerignore", folder / ".dockerignore"
    path = own if _is_plain(own) else common
    lines = _read(path).lstrip("\ufeff").splitlines() if _is_plain(path) else []
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _is_plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _read(path: Path) -> str:
    with path.open(errors="replace") as file:
        return file.read(dockerfiles.BYTES_LIMIT + 1)
