"""Docker's streams, decoded: log frames, JSON messages, plain bytes. Each is closable from another thread."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from agent.docker_api import Answer, EngineError, moment
from agent.server.ports import LogEntry

T = TypeVar("T")
_LONGEST_LINE = 1 << 16


class Decoded(Generic[T]):
    """What a decoder makes of an answer's chunks; an answer that was closed from here ends without an error."""

    def __init__(self, answer: Answer, decode: Callable[[Iterator[bytes]], Iterator[T]]) -> None:
        self._answer = answer
        self._items = decode(answer.chunks())
        self._closed = False

    def __iter__(self) -> Iterator[T]:
        """Itself."""
        return self

    def __next__(self) -> T:
        """The next item; waits for it as long as the call allows."""
        try:
            return next(self._items)
        except StopIteration:
            raise
        except Exception:
            if self._closed:
                raise StopIteration from None
            raise

    def close(self) -> None:
        """End the stream, from any thread."""
        self._closed = True
        self._answer.close()


def log_entries(chunks: Iterator[bytes]) -> Iterator[LogEntry]:
    """Lines from the multiplexed frames of a container without a terminal, each with its time."""
    pending: dict[str, bytes] = {"stdout": b"", "stderr": b""}
    for stream, payload in _frames(chunks):
        *lines, pending[stream] = (pending[stream] + payload).split(b"\n")
        for line in lines:
            yield _entry(stream, line)
        if len(pending[stream]) > _LONGEST_LINE:
            yield _entry(stream, pending[stream])
            pending[stream] = b""
    yield from (_entry(stream, rest) for stream, rest in pending.items() if rest)


def messages(chunks: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    """JSON objects, one a line. Raises EngineError where a line is none, such as one that is cut off."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (_message(line) for line in lines if line.strip())
    if rest.strip():
        yield _message(rest)


def _message(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise EngineError(f"it said what is no message: {line[:80]!r}")
    return found


def _frames(chunks: Iterator[bytes]) -> Iterator[tuple[str, bytes]]:
    buffer = b""
    for chunk in chunks:
        buffer += chunk
        while len(buffer) >= 8 and len(buffer) >= 8 + (size := int.from_bytes(buffer[4:8], "big")):
            yield "stderr" if buffer[0] == 2 else "stdout", buffer[8 : 8 + size]
            buffer = buffer[8 + size :]


def _entry(stream: str, line: bytes) -> LogEntry:
    stamp, _, text = line.decode(errors="replace").rstrip("\r").partition(" ")
    return LogEntry(moment(stamp) or datetime.now(UTC), stream, text)
