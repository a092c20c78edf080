"""Crowds at an agent's port: many at once, slow ones, silent ones, and those with a wrong key."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Protocol

from agent import keys, wire
from agent.client.transport import options
from agent.server.settings import Settings
from tests.unit.agent.builders import DROPLET

PATIENCE = 60.0
CUT = 0
"""In place of a status: the connection ended without an answer."""
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Called(Protocol):
    """What a crowd has to know of an agent."""

    @property
    def settings(self) -> Settings:
        """Whose secret it has."""

    @property
    def port(self) -> int:
        """Where it listens."""


@dataclass(frozen=True)
class Known:
    """An agent of another process."""

    settings: Settings
    port: int


@dataclass(frozen=True)
class Crowd:
    """Everybody who calls one agent."""

    droplet: Called

    @cached_property
    def trust(self) -> ssl.SSLContext:
        """Of the droplet's certificate alone."""
        context: ssl.SSLContext = options(self.droplet.settings.secret, DROPLET, "127.0.0.1", 1)["verify"]
        return context

    @asynccontextmanager
    async def connection(self, address: str = "127.0.0.1") -> AsyncIterator[Ends]:
        """A TLS connection from an address of loopback."""
        opening = asyncio.open_connection(
            "127.0.0.1", self.droplet.port, ssl=self.trust, server_hostname=DROPLET, local_addr=(address, 0)
        )
        reader, writer = await asyncio.wait_for(opening, PATIENCE)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def ask(
        self, method: str, path: str, body: bytes = b"", *, key: str | None = None, address: str = "127.0.0.1"
    ) -> int:
        """One call on a connection of its own; gives its status."""
        with suppress(OSError, EOFError, ssl.SSLError):
            async with self.connection(address) as (reader, writer):
                writer.write(self.head(method, path, len(body), key) + body)
                line = await asyncio.wait_for(reader.readline(), PATIENCE)
                await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
                return int(line.split()[1]) if line else CUT
        return CUT

    def head(self, method: str, path: str, length: int = 0, key: str | None = None) -> bytes:
        """The head of a call, with the droplet's own key unless another is given."""
        shown = keys.api_key(self.droplet.settings.secret) if key is None else key
        fields = f"Host: a\r\n{wire.KEY_HEADER}: {shown}\r\nContent-Length: {length}\r\n"
        return f"{method} {path} HTTP/1.1\r\n{fields}\r\n".encode()

    async def timed(self, path: str) -> tuple[int, float]:
        """The status of a call, and the seconds that it took."""
        began = time.monotonic()
        return await self.ask("GET", path), time.monotonic() - began

    async def upload(self, number: int, size: int) -> int:
        """The whole of something large, at once."""
        content, digest = large(number, size)
        return await self.ask("PUT", f"/uploads/{digest}?total={len(content)}", content)

    @asynccontextmanager
    async def silent(self, count: int) -> AsyncIterator[list[Ends]]:
        """Connections that never begin their TLS handshake."""
        opened: list[Ends] = []
        try:
            for _ in range(count):
                opened.append(await asyncio.open_connection("127.0.0.1", self.droplet.port))
            yield opened
        finally:
            for _, writer in opened:
                writer.transport.abort()

    @asynccontextmanager
    async def held(self, count: int, begin: Callable[[Ends], Awaitable[Any]]) -> AsyncIterator[list[Any]]:
        """So many connections that begin something and leave it at that; gives what came of each beginning."""
        over, begun = asyncio.Event(), [asyncio.get_running_loop().create_future() for _ in range(count)]

        async def one(told: asyncio.Future[Any]) -> None:
            try:
                async with self.connection() as ends:
                    told.set_result(await begin(ends))
                    await over.wait()
            except (OSError, EOFError) as error:
                if not told.done():
                    told.set_result(error)

        calls = [asyncio.create_task(one(told)) for told in begun]
        try:
            yield await asyncio.wait_for(asyncio.gather(*begun), PATIENCE)
        finally:
            over.set()
            await asyncio.gather(*calls)


@lru_cache(maxsize=64)
def large(number: int, size: int) -> tuple[bytes, str]:
    """Something large, and its digest."""
    content = number.to_bytes(4, "big") * (size // 4)
    return content, f"sha256:{hashlib.sha256(content).hexdigest()}"


async def statuses(calls: list[Awaitable[int]]) -> Counter[int]:
    """What many calls at once were answered."""
    return Counter(await asyncio.gather(*calls))
