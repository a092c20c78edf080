"""A container's lines as they are written."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Final

from pydantic import ValidationError

from agent import keys, wire
from agent.client.errors import AgentProblem, AgentRefused
from agent.client.transport import checked, parsed, timeout_of, translated
from agent.client.ways import AsyncWay

SILENCE_SECONDS: Final = 3600.0
"""For how long a container that is followed may say nothing; the agent ends the stream then."""


class LineReader:
    """Reads the logs of one droplet's containers; never enrols."""

    def __init__(self, ring: keys.Ring, droplet: str, address: str, port: int = wire.PORT) -> None:
        self._way = AsyncWay(ring, droplet, address, port)

    async def __aenter__(self) -> LineReader:
        """Itself; the connection is made by the first call."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closes the connection."""
        await self._way.close()

    async def read(self, name: str, tail: int, since: datetime | None = None) -> tuple[wire.LogLine, ...]:
        """The last lines of a container, at most `tail` (5000), oldest first."""
        http = await self._way.http()
        with translated():
            reply = await http.get(_path(name), params=_asked(tail, since), extensions=self._way.named)
        return parsed(wire.Logs, checked(reply)).lines

    async def follow(self, name: str, tail: int, since: datetime | None = None) -> AsyncGenerator[wire.LogLine, None]:
        """The last lines and then each as it is written, until the container ends or somebody closes this."""
        params = {**_asked(tail, since), "follow": "true"}
        http, timeout = await self._way.http(), timeout_of(SILENCE_SECONDS)
        try:
            with translated():
                async with http.stream(
                    "GET", _path(name), params=params, extensions=self._way.named, timeout=timeout
                ) as reply:
                    if reply.is_error:
                        await reply.aread()
                    checked(reply)
                    async for line in reply.aiter_lines():
                        yield _line(line)
        except AgentRefused:
            await self._way.close()  # its key was turned: the next call looks for it
            raise


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
