"""The way to a droplet's agent, and its errors in the fleet's two kinds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from agent import keys, wire
from agent.client import AgentClient, AgentProblem, AgentRefused, AgentUnreachable, connect
from blocks.environment import Environment
from fleet import key_tags
from fleet.errors import DeployerError, PermanentError, Refused, TransientError
from fleet.remediation.causes import Cause
from fleet.remediation.redaction import last_lines
from fleet.spec import Maintenance
from fleet.state import Container, Droplet, Route
from tasks import causes

PASSING = {"docker_down", "router", "too_many_requests", "offset", "taken_over", "digest", "no_upload"}
"""Problem codes that another moment may solve."""
LOST = (
    "This run's lock is over, as after a long pause, and another run may have taken over: nothing more was changed "
    "here. See what the other run did, then start this one again if it is still wanted."
)


class Busy(TransientError):
    """Another call changes the same service, or the agent has its hands full."""


class Leased(TransientError):
    """Another run holds the lock of the service; it may end before long."""

    def __init__(self, message: str, *, hint: str, holder: str, since: str) -> None:
        super().__init__(message, hint=hint)
        self.holder = holder
        """The run and its machine."""
        self.since = since
        """When it took the lock, in UTC."""


class Fenced(PermanentError):
    """The lock that a run believes to hold is over; nothing was changed."""

    def __init__(self, message: str, *, hint: str, holder: str) -> None:
        super().__init__(message, hint=hint)
        self.holder = holder
        """The run that holds it now, if any."""


class Unproven(PermanentError):
    """A release does not serve; its cause, if one is known, takes the place of the hint."""

    def __init__(self, message: str, *, hint: str, log: str, cause: Cause | None = None) -> None:
        super().__init__(message, hint=f"Cause: {cause}" if cause else hint)
        self.log = log
        """The last lines that it wrote, without what looks like a credential."""
        self.cause = cause


@contextmanager
def reach(
    environment: Environment, droplet: Droplet, fencing: int | None = None, any_version: bool = False
) -> Iterator[AgentClient]:
    """The client of a droplet's agent; a droplet that still has its boot secret is given its own first.

    Args:
        environment: whose token opens the way.
        droplet: where.
        fencing: the number of the lease under which a service is changed; None: only for reading.
        any_version: also take an agent that is too old or too new for everything but an upgrade.

    Raises:
        TransientError: it did not answer, or it is `Busy`, or another run has `Leased` the service.
        Refused: it did not accept the key, or showed another certificate.
        Fenced: the number is not that of the lease in force.
        Unproven: a candidate was refused.
        PermanentError: the agent's answer says that the call cannot succeed.
    """
    if not droplet.public_address:
        raise TransientError(f"{droplet.name} has no public address yet.", hint="It gets one within a minute.")
    ring = ring_of(environment, droplet)
    try:
        with connect(ring, droplet.name, droplet.public_address, fencing=fencing, any_version=any_version) as client:
            yield client
    except AgentUnreachable as error:
        raise TransientError(f"{droplet.name} ({droplet.public_address}): the agent did not answer: {error}") from error
    except AgentRefused as error:
        raise Refused(
            f"{droplet.name} ({droplet.public_address}): the agent refused us: {error}",
            hint=(
                "Was it made with another DigitalOcean token? Then put that one into the credentials block as the "
                f"former token, and run rotate-keys. Was one of its tags {key_tags.PREFIX}:… removed? See "
                "docs/runbooks/leaked-key.md."
            ),
        ) from error
    except AgentProblem as error:
        raise translate(droplet.name, error.problem) from error


def ring_of(environment: Environment, droplet: Droplet) -> keys.Ring:
    """What may open a droplet: keys from the environment's tokens, of the numbers that the droplet's tags say."""
    return environment.digitalocean.ring(key_tags.key_numbers(droplet.tags))


def translate(droplet: str, problem: wire.Problem) -> DeployerError:
    """The agent's envelope as one of our errors."""
    message, details = f"{droplet}: {problem.message}", problem.details
    match problem.code:
        case "not_healthy":
            log = "\n".join(last_lines(details.get("log", "").splitlines()))
            return Unproven(message, hint=problem.hint, log=log, cause=causes.find(problem.symptoms))
        case "leased":
            holder, since = details.get("holder", "another run"), details.get("since", "")
            return Leased(message, hint=problem.hint, holder=holder, since=since)
        case "fenced" | "lease_required":
            return Fenced(message, hint=LOST, holder=details.get("holder", ""))
        case "busy":
            return Busy(message, hint=problem.hint)
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


def routes(seen: wire.Routes) -> tuple[Route, ...]:
    """A droplet's table as the fleet knows it."""
    return tuple(Route(one.host, one.container, one.release, _page(one.maintenance)) for one in seen.routes)


def page(shown: Maintenance | None) -> wire.Maintenance | None:
    """A maintenance page as the agents know it."""
    return wire.Maintenance(retry_after_seconds=shown.retry_after_seconds, message=shown.message) if shown else None


def _page(shown: wire.Maintenance | None) -> Maintenance | None:
    return Maintenance(shown.retry_after_seconds, shown.message) if shown else None
