"""A build context: the folder that a Dockerfile builds from, as one stream."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import IO, cast

from docker.utils import build as docker_build

from fleet.errors import InvalidInput

LIMIT_MIB = 2048
"""A context larger than this is a mistake (a forgotten `.dockerignore`) more often than a wish."""
BASE_TAG = "local/base:latest"
_FROM_BASE = re.compile(r"^\s*FROM\s+(--\S+\s+)*local/base(:latest)?\s*($|\s)", re.IGNORECASE | re.MULTILINE)


def pack(folder: Path, dockerfile: str, title: str = "") -> IO[bytes]:
    """The folder as a tar, without what its `.dockerignore` names; the caller closes it.

    Raises:
        InvalidInput: the folder or the Dockerfile is not there, or the tar would pass `LIMIT_MIB`.
    """
    check(folder, dockerfile, title)
    archive = tempfile.TemporaryFile()  # noqa: SIM115  # handed to the caller
    try:
        bounded = cast(IO[bytes], _Bounded(archive, title or f"build context {folder}"))
        docker_build.tar(folder, exclude=_ignored(folder), dockerfile=(dockerfile, None), fileobj=bounded)
        archive.seek(0)
    except BaseException:
        archive.close()
        raise
    return archive


def check(folder: Path, dockerfile: str, title: str = "") -> None:
    """Whether there is something to build; `title` is what a person calls a folder that was made for this.

    Raises:
        InvalidInput: the folder or the Dockerfile is not there.
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


def needs_base(folder: Path, dockerfile: str) -> bool:
    """Whether the Dockerfile builds on `local/base:latest`."""
    return bool(_FROM_BASE.search((folder / dockerfile).read_text(errors="replace")))


def _ignored(folder: Path) -> list[str]:
    path = folder / ".dockerignore"
    lines = path.read_text(errors="replace").splitlines() if path.is_file() and not path.is_symlink() else []
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


class _Bounded:
    """A file that takes `LIMIT_MIB` and no more."""

    def __init__(self, file: IO[bytes], title: str) -> None:
        self._file, self._title = file, title

    def write(self, content: bytes) -> int:
        """Raises InvalidInput when it would be too much."""
        if self._file.tell() + len(content) > LIMIT_MIB << 20:
            raise InvalidInput(
                f"The {self._title} is larger than {LIMIT_MIB} MiB.",
                hint="Name what the image does not need in a .dockerignore.",
            )
        return self._file.write(content)

    def tell(self) -> int:
        """How much it holds."""
        return self._file.tell()

    def seek(self, position: int) -> int:
        """Back to a place in it."""
        return self._file.seek(position)
