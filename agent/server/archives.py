"""Image archives as the agent takes and gives them: what is none is answered with 422."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import IO

from agent import archives
from agent.archives import CHUNK_BYTES, Contents
from agent.server.errors import Failure

__all__ = ["CHUNK_BYTES", "Contents", "partial", "read"]


def read(file: IO[bytes]) -> Contents:
    """The contents of an archive of one image, its configuration checked against the id.

    Raises:
        Failure: 422, it is no such archive.
    """
    try:
        return archives.read(file)
    except archives.Malformed as error:
        raise _refused(error) from error


def partial(file: IO[bytes], omit: Collection[str]) -> Iterator[bytes]:
    """The archive again, as it streams, without the members of the layers in `omit`.

    Raises:
        Failure: 422, it is no archive of one image (before the first byte).
    """
    try:
        return archives.partial(file, omit)
    except archives.Malformed as error:
        raise _refused(error) from error


def _refused(error: archives.Malformed) -> Failure:
    return Failure(422, "invalid", f"The body is no archive of one image: {error}.", "Send what `docker save` makes.")
