"""A tar that somebody sent, read member by member: no header of it can ask for more memory than any packer would.

For both ends, as what is read here: contexts of builds, and archives of images.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import IO, Final, cast

_HEADERS_LIMIT: Final = 1 << 20


class Unreadable(ValueError):
    """It cannot be read; the message is the end of a sentence that begins with its name."""


def members(file: IO[bytes]) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Each with the open archive, which forgets it afterwards: a tar remembers all that it has seen.

    Raises:
        Unreadable: it is no tar, or has a header that is too large.
    """
    file.seek(0)
    careful = _Careful(file)
    try:
        with tarfile.open(fileobj=cast(IO[bytes], careful), mode="r:") as archive:
            while (member := archive.next()) is not None:
                archive.members.clear()  # type: ignore[attr-defined]  # which the stubs leave out
                careful.headers = False
                yield archive, member
                careful.begin()
    except (tarfile.TarError, OSError, ValueError, OverflowError, RecursionError) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable(f"is no plain tar that can be read ({error or type(error).__name__})") from error


class _Careful:
    """A file of which no member's headers can be larger than a bound, whatever they say of themselves."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.begin()

    def begin(self) -> None:
        """The next member's headers are read now."""
        self.headers, self._left = True, _HEADERS_LIMIT

    def read(self, size: int = -1) -> bytes:
        """The next bytes. Raises Unreadable when headers ask for more than any packer writes."""
        self._left -= size if self.headers else 0
        if not 0 <= size <= _HEADERS_LIMIT or self._left < 0:
            raise Unreadable("has a header that no packer writes")
        return self._file.read(size)

    def seek(self, position: int) -> int:
        """To a place in it."""
        return self._file.seek(position)

    def tell(self) -> int:
        """Where it is."""
        return self._file.tell()
