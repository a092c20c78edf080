"""A public name, asked once as a visitor does."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import httpx

from fleet.errors import TransientError

SECONDS: Final = 10.0
"""How long a name may take to answer, however it does."""


@dataclass(frozen=True)
class Answer:
    """What a visitor gets, without the page itself."""

    status: int
    retry_after: str = ""
    """When to come back, in the server's words."""


def get(url: str) -> Answer:
    """What a visitor is answered; the page is not read, so that one without an end is answered like any other.

    Raises:
        TransientError: nothing within `SECONDS`; the client's own error is its cause.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    # Names under localhost are this machine, whatever the resolver says (RFC 6761, section 6.3).
    target = url.replace(host, "127.0.0.1", 1) if host.endswith(".localhost") else url
    try:
        return asyncio.run(asyncio.wait_for(_ask(target, parts.netloc), SECONDS))
    except (httpx.TransportError, TimeoutError) as error:
        told = str(error) or f"it took more than {SECONDS:g} s"
        raise TransientError(f"{url} did not answer: {told}.", hint="Is its DNS record visible already?") from error


async def _ask(url: str, host: str) -> Answer:
    """Its own timeouts bound each step alone."""
    async with (
        httpx.AsyncClient(timeout=SECONDS) as client,
        client.stream("GET", url, headers={"Host": host}) as reply,
    ):
        return Answer(reply.status_code, reply.headers.get("Retry-After", ""))
