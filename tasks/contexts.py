"""A build context: the folder that a Dockerfile builds from, as one stream."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import IO

from docker.utils import build as docker_build

from fleet.errors import InvalidInput

LIMIT_MIB = 2048
"""A context larger than this is a mistake (a forgotten `.dockerignore`) more often than a wish."""


def pack(folder: Path, dockerfile: str) -> IO[bytes]:
    """The folder as a tar, without what its `.dockerignore` names; the caller closes it.

    Raises:
        InvalidInput: the folder or the Dockerfile is not there, or the tar would pass `LIMIT_MIB`.
    """
    check(folder, dockerfile)
    archive = tempfile.TemporaryFile()  # noqa: SIM115  # handed to the caller
    docker_build.tar(folder, exclude=_ignored(folder), dockerfile=(dockerfile, None), fileobj=archive)
    size = archive.seek(0, 2)
    if size > LIMIT_MIB << 20:
        archive.close()
        raise InvalidInput(
            f"The build context {folder} is {size >> 20} MiB; the limit is {LIMIT_MIB} MiB.",
            hint="Name what the image does not need in a .dockerignore.",
        )
    archive.seek(0)
    return archive


def check(folder: Path, dockerfile: str) -> None:
    """Whether there is something to build.

    Raises:
        InvalidInput: the folder or the Dockerfile is not there.
    """
    if not folder.is_dir():
        raise InvalidInput(
            f"The build context {folder} is not a folder on the machine that runs the worker.",
            hint="Give the absolute path of a folder that is there.",
        )
    if not (folder / dockerfile).is_file():
        raise InvalidInput(
            f"There is no file {dockerfile} in the build context {folder}.",
            hint="Put a Dockerfile there, or name it as it is called.",
        )


def _ignored(folder: Path) -> list[str]:
    path = folder / ".dockerignore"
    lines = path.read_text().splitlines() if path.exists() else []
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]
