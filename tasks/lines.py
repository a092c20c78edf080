"""The lines of a service from all of its droplets at once, in the order of their times."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from agent.client import AgentError, AgentProblem, LineReader
from blocks.environment import Environment
from blocks.service import Service
from fleet import naming
from fleet.errors import InvalidInput
from fleet.state import Droplet
from tasks import plans
from tasks.agents import ring_of

DROPLET_SECONDS = 15.0
"""How long one droplet may take to answer."""
AGAIN_SECONDS = 2.0
"""How long a droplet that has no more to say, or does not answer, is left alone while it is followed."""
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Line:
    """One line of a service."""

    at: datetime | None
    """When it was written; None: it was not written by the service, and tells of the droplet."""
    droplet: str
    text: str

    def __str__(self) -> str:
        """With its time in UTC to the millisecond, and its droplet."""
        at = f"{self.at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3] if self.at else "-"
        return f"{at} {self.droplet} {self.text}"


Tell = Callable[[Line], None]


@dataclass(frozen=True)
class Wanted:
    """Which lines."""

    environment: Environment = field(repr=False)
    container: str
    tail: int
    """The last lines of each droplet, 1 to 5000."""
    since: datetime | None = None


def wanted(service: Service, tail: int, since: datetime | None) -> Wanted:
    """What is asked of each droplet for a service's lines."""
    return Wanted(service.environment, plans.order(service).container, tail, since)


def hosts(service: Service) -> list[Droplet]:
    """The droplets of the service's environment, on any of which it may run.

    Raises:
        InvalidInput: the environment has none.
    """
    tag = naming.environment_tag(service.environment.spec())
    found = [one for one in service.environment.digitalocean.client().droplets.read_tagged(tag) if one.public_address]
    if not found:
        raise InvalidInput(f"The environment of {service.name} has no droplet.", hint="Deploy the service first.")
    return found


async def read(what: Wanted, droplets: Sequence[Droplet]) -> list[Line]:
    """What there is, oldest first; a droplet that does not answer says why instead, at the end."""
    found = await asyncio.gather(*(_read(what, droplet) for droplet in droplets))
    told = (line for lines in found for line in lines if line.at is None)
    return [*heapq.merge(*(_timed(lines) for lines in found), key=_time), *told]


async def follow(what: Wanted, droplets: Sequence[Droplet], tell: Tell) -> None:
    """Tells what there is and then each line as it comes, also of the releases to come, until it is cancelled."""
    async with asyncio.TaskGroup() as group:
        for droplet in droplets:
            group.create_task(_follow(what, droplet, tell))


async def _read(what: Wanted, droplet: Droplet) -> list[Line]:
    try:
        async with LineReader(ring_of(what.environment, droplet), droplet.name, droplet.public_address or "") as reader:
            found = await asyncio.wait_for(reader.read(what.container, what.tail, what.since), DROPLET_SECONDS)
    except (AgentError, TimeoutError) as error:
        return _why(droplet, error)
    return [Line(one.at, droplet.name, one.text) for one in found]


async def _follow(what: Wanted, droplet: Droplet, tell: Tell) -> None:
    """A stream ends when its container does; then the next one is asked for, from the last line on."""
    since, told = what.since, ""
    async with LineReader(ring_of(what.environment, droplet), droplet.name, droplet.public_address or "") as reader:
        while True:
            try:
                async with contextlib.aclosing(reader.follow(what.container, what.tail, since)) as stream:
                    async for one in stream:
                        since, told = one.at + _TICK, ""
                        tell(Line(one.at, droplet.name, one.text))
            except AgentError as error:
                for line in _why(droplet, error):
                    if line.text != told:
                        tell(line)
                    told = line.text
            await asyncio.sleep(AGAIN_SECONDS)


def _why(droplet: Droplet, error: Exception) -> list[Line]:
    """Why there are no lines of a droplet; that the service does not run there is nothing to tell."""
    if isinstance(error, AgentProblem) and error.problem.code == "not_found":
        return []
    return [Line(None, droplet.name, f"cannot be read: {error or 'it takes too long'}")]


def _timed(lines: Iterable[Line]) -> list[Line]:
    return [line for line in lines if line.at]


def _time(line: Line) -> tuple[datetime | None, str]:
    return line.at, line.droplet
