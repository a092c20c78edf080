"""The way to a droplet's agent, and its errors in the fleet's two kinds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from agent import wire
from agent.client import AgentClient, AgentProblem, AgentRefused, AgentUnreachable, connect
from blocks.environment import Environment
from fleet.errors import DeployerError, PermanentError, Refused, TransientError
from fleet.state import Container, Droplet

PASSING = {"busy", "docker_down", "router", "too_many_requests"}
"""Problem codes that another moment may solve."""


class Unproven(PermanentError):
    """A candidate did not become healthy; `log` holds the last lines that it wrote."""

    def __init__(self, message: str, *, hint: str, log: str) -> None:
        super().__init__(message, hint=hint)
        self.log = log


@contextmanager
def reach(environment: Environment, droplet: Droplet) -> Iterator[AgentClient]:
    """The client of a droplet's agent; a droplet that still has its boot secret is given its own first.

    Raises:
        TransientError: it did not answer, or it is busy.
        Refused: it did not accept the key, or showed another certificate.
        Unproven: a candidate was refused.
        PermanentError: the agent's answer says that the call cannot succeed.
    """
    if not droplet.public_address:
        raise TransientError(f"{droplet.name} has no public address yet.", hint="It gets one within a minute.")
    token = environment.digitalocean.token.get_secret_value()
    try:
        with connect(token, droplet.name, droplet.public_address) as client:
            yield client
    except AgentUnreachable as error:
        raise TransientError(f"{droplet.name} ({droplet.public_address}): the agent did not answer: {error}") from error
    except AgentRefused as error:
        raise Refused(
            f"{droplet.name} ({droplet.public_address}): the agent refused us: {error}",
            hint="Was the droplet made with another DigitalOcean token? Then deploy with that one.",
        ) from error
    except AgentProblem as error:
        raise translate(droplet.name, error.problem) from error


def translate(droplet: str, problem: wire.Problem) -> DeployerError:
    """The agent's envelope as one of our errors."""
    message = f"{droplet}: {problem.message}"
    if problem.code == "not_healthy":
        return Unproven(message, hint=problem.hint, log=problem.details.get("log", ""))
    kind = TransientError if problem.code in PASSING else PermanentError
    return kind(message, hint=problem.hint)


def container(seen: wire.Container) -> Container:
    """A wire container as the fleet knows it."""
    return Container(
        name=seen.name,
        role=seen.role,
        release=seen.release,
        image=seen.image,
        status=seen.status,
        restarts=seen.restarts,
        hosts=seen.hosts,
        verdict=seen.verdict.verdict if seen.verdict else "unknown",
        reason=seen.verdict.reason if seen.verdict else "",
        started_at=seen.started_at,
        memory_mib=seen.memory_mib,
    )
