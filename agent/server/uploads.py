"""Uploads: pieces of something large, kept on the droplet's disk until it is whole, known by the digest of the whole.

A broken connection costs what was on its way: the next call goes on where the file ends. Who sends last, writes; a
call that still waits on a dead connection has lost its place.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from agent import wire
from agent.server.errors import Failure

AGE_SECONDS: Final = 6 * 3600.0
"""How long an upload that nobody goes on with, or uses, stays."""
COUNT_LIMIT: Final = 8
"""How many there may be; a further one takes the place of that which waits longest."""
CHUNK_BYTES: Final = 1 << 20


@dataclass(eq=False)
class Writer:
    """Who may write an upload: the one who came last."""

    digest: str
    total: int
    file: IO[bytes]


class Uploads:
    """The uploads in a folder, bounded in size, number and age.

    Args:
        folder: where they are; it outlives the agent.
        limit: the largest one, in bytes.
        room: raises when the disk does not take so many more bytes.
    """

    def __init__(self, folder: Path, limit: int, room: Callable[[int], None]) -> None:
        self._folder, self._limit, self._room = folder, limit, room
        self._writers: dict[str, Writer] = {}
        self._lock = threading.RLock()

    def look(self, digest: str) -> wire.Upload:
        """How much of it is here; nothing is fine."""
        with self._lock:
            self._sweep()
            whole, part = self._whole(digest), self._part(digest)
            found = whole if whole.exists() else part
            have = found.stat().st_size if found.exists() else 0
            return wire.Upload(digest=digest, have=have, complete=found == whole)

    def begin(self, digest: str, offset: int, total: int) -> Writer:
        """Become the one who writes it, from `offset` on.

        Raises:
            Failure: 413 too large; 507 no room; 409 `offset`, it ends before; 503, all places are being written.
        """
        if total > self._limit or offset > total:
            message = f"An upload is {self._limit >> 20} MiB at most, and begins before its end."
            raise Failure(413, "too_large", message, "Send less.")
        with self._lock:
            self._sweep()
            part = self._part(digest)
            have = part.stat().st_size if part.exists() else 0
            if have < offset:
                message = f"Of this upload {have} bytes are here, and the call goes on at {offset}."
                raise Failure(409, "offset", message, f"GET /uploads/{digest}, and go on there.", have=str(have))
            self._room(total - offset)
            self._make_place(digest)
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            writer = Writer(digest, total, part.open("ab"))
            writer.file.truncate(offset)  # what a call on a dead connection wrote since the caller looked
            writer.file.seek(offset)
            self._writers[digest] = writer
            return writer

    def append(self, writer: Writer, content: bytes) -> None:
        """The next piece.

        Raises:
            Failure: 409, another call writes it by now; 413, it is more than was said; 507, the disk is full.
        """
        with self._lock:
            self._check(writer)
            if writer.file.tell() + len(content) > writer.total:
                raise Failure(413, "too_large", f"More came than {writer.total} bytes.", "Say how many there are.")
            self._room(len(content))
            writer.file.write(content)
            writer.file.flush()

    def end(self, writer: Writer) -> wire.Upload:
        """All that came is written; when that is all there is, its digest is looked at.

        Raises:
            Failure: 422 `digest`, it is something else, and was removed.
        """
        part = self._part(writer.digest)
        if part.stat().st_size < writer.total:
            return self.look(writer.digest)
        found = _digest(part)
        with self._lock:
            self._check(writer)
            if found != writer.digest:
                part.unlink()
                message = f"What came has the digest {found}, not {writer.digest}."
                raise Failure(422, "digest", message, "Send it again from its beginning.")
            part.rename(self._whole(writer.digest))
        return self.look(writer.digest)

    def close(self, writer: Writer) -> None:
        """The call is over, however it ended."""
        with self._lock:
            writer.file.close()
            if self._writers.get(writer.digest) is writer:
                del self._writers[writer.digest]

    @contextmanager
    def opened(self, digest: str) -> Iterator[IO[bytes]]:
        """A whole one, to be read.

        Raises:
            Failure: 404, it is not here, or not whole.
        """
        try:
            file = self._whole(digest).open("rb")
        except FileNotFoundError:
            message = f"The upload {digest} is not here."
            raise Failure(404, "no_upload", message, f"PUT /uploads/{digest} first.") from None
        with file:
            yield file

    def remove(self, digest: str) -> None:
        """It has served; one that is not here is fine."""
        with self._lock:
            self._whole(digest).unlink(missing_ok=True)

    def _check(self, writer: Writer) -> None:
        if self._writers.get(writer.digest) is not writer:
            raise Failure(409, "taken_over", "Another call sends this upload by now.", "Let that one end.")

    def _make_place(self, digest: str) -> None:
        waiting = [path for path in self._oldest_first() if not self._is_written(path)]
        others = [path for path in self._oldest_first() if path != self._part(digest)]
        for path in waiting[: max(len(others) - COUNT_LIMIT + 1, 0)]:
            path.unlink(missing_ok=True)
            others.remove(path)
        if len(others) >= COUNT_LIMIT:
            raise Failure(503, "busy", f"{COUNT_LIMIT} uploads are being sent.", "Try again when one has ended.")

    def _sweep(self) -> None:
        for path in self._oldest_first():
            if not self._is_written(path) and time.time() - path.stat().st_mtime > AGE_SECONDS:
                path.unlink(missing_ok=True)

    def _is_written(self, path: Path) -> bool:
        return f"sha256:{path.stem}" in self._writers

    def _oldest_first(self) -> list[Path]:
        found = self._folder.iterdir() if self._folder.exists() else ()
        return sorted(found, key=lambda path: path.stat().st_mtime)

    def _part(self, digest: str) -> Path:
        return self._folder / f"{digest.removeprefix('sha256:')}.part"

    def _whole(self, digest: str) -> Path:
        return self._folder / f"{digest.removeprefix('sha256:')}.whole"


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            found.update(chunk)
    return f"sha256:{found.hexdigest()}"
