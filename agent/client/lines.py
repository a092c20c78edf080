"""A container's lines as they are written."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Final

import httpx
from pydantic import ValidationError

from agent import keys, wire
from agent.client.errors import AgentProblem
from agent.client.transport import checked, options, parsed, sni, timeout_of, translated

SILENCE_SECONDS: Final = 3600.0
"""For how long a container that is followed may say nothing; the agent ends the stream then."""


class LineReader:
    """Reads the logs of one droplet's containers; never enrols."""

    def __init__(self, token: str, droplet: str, address: str, port: int = wire.PORT) -> None:
        self._droplet = droplet
        self._http = httpx.AsyncClient(**options(keys.droplet_secret(token, droplet), droplet, address, port))

    async def __aenter__(self) -> LineReader:
        """Itself; the connection is made by the first call."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closes the connection."""
        await self._http.aclose()

    async def read(self, name: str, tail: int, since: datetime | None = None) -> tuple[wire.LogLine, ...]:
        """The last lines of a container, at most `tail` (5000), oldest first."""
        with translated():
            reply = await self._http.get(_path(name), params=_asked(tail, since), extensions=sni(self._droplet))
        return parsed(wire.Logs, checked(reply)).lines

    async def follow(self, name: str, tail: int, since: datetime | None = None) -> AsyncGenerator[wire.LogLine, None]:
        """The last lines and then each as it is written, until the container ends or somebody closes this."""
        params = {**_asked(tail, since), "follow": "true"}
        timeout = timeout_of(SILENCE_SECONDS)
        with translated():
            async with self._http.stream(
                "GET", _path(name), params=params, extensions=sni(self._droplet), timeout=timeout
            ) as reply:
                if reply.is_error:
                    await reply.aread()
                checked(reply)
                async for line in reply.aiter_lines():
                    yield _line(line)


def _path(name: str) -> str:
    return f"/containers/{name}/logs"


def _asked(tail: int, since: datetime | None) -> dict[str, str]:
    return {"tail": str(tail), **({"since": since.isoformat()} if since else {})}


def _line(text: str) -> wire.LogLine:
    try:
        return wire.LogLine.model_validate_json(text)
    except ValidationError as error:
        problem = wire.Problem(
            code="strange", message="A line of the log is none.", hint="Is the agent's version one that we know?"
        )
        raise AgentProblem(problem) from error
