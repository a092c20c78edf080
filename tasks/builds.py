"""A build's output in the run's log, as it comes and within bounds, and its end as an image or an error."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import IO, Final

from prefect import get_run_logger

from agent import wire
from agent.client import AgentClient
from fleet.errors import PermanentError
from fleet.state import Image
from tasks import uploads

LINES_LIMIT: Final = 2000
"""How many lines of one build go to the log; what a build says beyond that, nobody reads."""
LINE_LIMIT: Final = 2000
"""How many characters of one line."""
DEADLINE: Final = timedelta(minutes=30)
FULL: Final = "no space left on device"


class BuildLog:
    """The run's log, for one build."""

    def __init__(self) -> None:
        self._log, self._count = get_run_logger(), 0

    def write(self, line: str) -> None:
        """One line of output, unless there were too many."""
        self._count += 1
        if self._count <= LINES_LIMIT:
            self._log.info("%s", line.rstrip()[:LINE_LIMIT])
        elif self._count == LINES_LIMIT + 1:
            self._log.warning("The build says more than %d lines; the rest is left out.", LINES_LIMIT)


def build(agent: AgentClient, archive: IO[bytes], order: wire.Build, where: str, what: str) -> Image:
    """Builds on a droplet, its output going to the run's log as it comes.

    Args:
        agent: the droplet's.
        archive: the build context, which is sent as far as it is not there yet.
        order: tag, Dockerfile and secrets.
        where: the droplet's name.
        what: what is built, for an error.

    Raises:
        PermanentError: the build failed; the message holds the builder's words.
    """
    log, ended = BuildLog(), f"{where}: {what}"
    for event in _events(agent, archive, order, where):
        if event.error:
            raise failed(ended, event.error)
        if event.image:
            return image(event.image)
        log.write(event.line or "")
    raise PermanentError(f"{ended} ended without an image.", hint="See the agent's journal.")


def failed(what: str, words: str) -> PermanentError:
    """The error of a build."""
    hint = "The output is in this run's log; mend the Dockerfile and run this again."
    if FULL in words:
        hint = "The disk filled up while it was built, and no image was left: take a larger size, or build less."
    return PermanentError(f"{what} failed: {words}", hint=hint)


def image(seen: wire.Image) -> Image:
    """A droplet's image as the fleet knows it."""
    return Image(id=seen.id, layers=seen.layers, size=seen.size)


def _events(agent: AgentClient, archive: IO[bytes], order: wire.Build, where: str) -> Iterable[wire.BuildEvent]:
    content = uploads.of_file(archive)
    digest = uploads.send(agent, content, where, get_run_logger().info)
    if digest:
        return agent.build_upload(digest, order)
    if order.secrets:
        raise PermanentError(
            f"{where}: its agent is too old to be given build secrets.", hint="Make its snapshot again, then this."
        )
    return agent.build(content(), tag=order.tag, dockerfile=order.dockerfile)
