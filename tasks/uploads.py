"""Large things on their way to a droplet: with progress, and going on where a broken connection left off."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from typing import IO, Final

from agent.client import AgentClient, AgentProblem

CHUNK_BYTES: Final = 1 << 20
PROGRESS_SECONDS: Final = 5.0
"""How often a line of progress is written, at most."""
MIB: Final = 1 << 20

Log = Callable[[str], None]
Content = Callable[[], Iterator[bytes]]
"""The chunks of what is sent, from its beginning, each time it is called; always the same."""


def of_file(file: IO[bytes]) -> Content:
    """The content of an open file."""

    def chunks() -> Iterator[bytes]:
        file.seek(0)
        return iter(lambda: file.read(CHUNK_BYTES), b"")

    return chunks


def send(agent: AgentClient, content: Content, where: str, log: Log) -> str | None:
    """Brings it to a droplet, as far as it is not there yet; gives the digest by which it is known there.

    A connection that breaks raises what the client raises; sending the same again goes on where that one ended. None:
    the agent there is older than uploads, and nothing was sent.
    """
    digest, total = _measure(content())
    try:
        found = agent.uploaded(digest)
    except AgentProblem as error:
        if error.problem.code == "not_found":
            return None
        raise
    if found.complete:
        log(f"{where}: all {_mib(total)} MiB are there already")
        return digest
    if found.have:
        log(f"{where}: going on at {_mib(found.have)} of {_mib(total)} MiB")
    agent.upload(digest, _told(_from(content(), found.have), found.have, total, where, log), found.have, total)
    return digest


def _measure(chunks: Iterator[bytes]) -> tuple[str, int]:
    found, total = hashlib.sha256(), 0
    for chunk in chunks:
        found.update(chunk)
        total += len(chunk)
    return f"sha256:{found.hexdigest()}", total


def _from(chunks: Iterator[bytes], offset: int) -> Iterator[bytes]:
    for chunk in chunks:
        if offset < len(chunk):
            yield chunk[offset:]
        offset = max(offset - len(chunk), 0)


def _told(chunks: Iterator[bytes], sent: int, total: int, where: str, log: Log) -> Iterator[bytes]:
    """The same chunks, with a line of progress every few seconds and one at the end."""
    said = time.monotonic()
    for chunk in chunks:
        yield chunk
        sent += len(chunk)
        if time.monotonic() - said >= PROGRESS_SECONDS:
            said = time.monotonic()
            log(f"{where}: {_mib(sent)} of {_mib(total)} MiB sent")
    log(f"{where}: {_mib(sent)} of {_mib(total)} MiB sent")


def _mib(size: int) -> str:
    return f"{size / MIB:.1f}"
