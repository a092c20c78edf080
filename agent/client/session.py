"""The way to a droplet's agent: its own secret, or, at the first contact, the boot secret that is exchanged for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Final

from agent import keys, wire
from agent.client.api import AgentClient
from agent.client.errors import AgentProblem, AgentRefused, AgentUnreachable
from agent.client.transport import open_http

ENROL_SECONDS: Final = 30.0
"""How long an agent may take to come back under its own secret."""
POLL_SECONDS: Final = 0.2
VERSIONS_APART: Final = 1


@contextmanager
def connect(
    ring: keys.Ring,
    droplet: str,
    address: str,
    port: int = wire.PORT,
    fencing: int | None = None,
    any_version: bool = False,
) -> Iterator[AgentClient]:
    """The client of a droplet's agent; one that still has its boot secret is given its own first.

    Args:
        ring: what may open the droplet.
        droplet: the droplet's name.
        address: where its agent is reached.
        port: where it listens.
        fencing: the number of the lease under which a service is changed; None: only for reading.
        any_version: also take an agent whose protocol is too far away, for the calls that every version has: those
            about its upgrade.

    Raises:
        AgentUnreachable: it does not answer.
        AgentRefused: it shows another certificate.
        AgentProblem: its protocol is more than one version away from ours.
    """
    with ExitStack() as stack:
        try:
            client, answer = _first_that_fits(stack, ring, droplet, address, port, fencing)
        except AgentRefused:
            first = ring.openings(droplet)[0]
            client = _client(stack, first, droplet, address, port, fencing)
            answer = _first_contact(client, first.secret, ring, droplet, address, port)
        if not any_version and (told := apart(answer.api)):
            raise AgentProblem(wire.Problem(code="version", message=f"On {droplet}, {told}.", hint=mend(answer.api)))
        yield client


def takes_boot_secret(ring: keys.Ring, droplet: str, address: str, port: int = wire.PORT) -> bool:
    """Whether a droplet still answers under the boot secret that its user data carried.

    Raises:
        AgentUnreachable: it does not answer at all.
    """
    for secret in ring.boots(droplet):
        with suppress(AgentRefused), open_http(secret, droplet, address, port) as http:
            AgentClient(http).ping()
            return True
    return False


def _first_that_fits(
    stack: ExitStack, ring: keys.Ring, droplet: str, address: str, port: int, fencing: int | None
) -> tuple[AgentClient, wire.Ping]:
    """The client under the newest key that the droplet answers to; raises AgentRefused when it is none of the ring."""
    refused = AgentRefused("there is no key to try")
    for opening in ring.openings(droplet):
        client = _client(stack, opening, droplet, address, port, fencing)
        try:
            return client, client.ping()
        except AgentRefused as error:
            refused = error
    raise refused


def _client(
    stack: ExitStack, opening: keys.Opening, droplet: str, address: str, port: int, fencing: int | None
) -> AgentClient:
    http = stack.enter_context(open_http(opening.secret, droplet, address, port))
    return AgentClient(http, fencing, opening)


def _first_contact(
    client: AgentClient, secret: str, ring: keys.Ring, droplet: str, address: str, port: int
) -> wire.Ping:
    """Enrol the droplet, or find that another controller was faster."""
    for boot in ring.boots(droplet):
        with suppress(AgentRefused):
            _enrol(boot, secret, droplet, address, port)
            return _wait_enrolled(client)
    return client.ping()  # it came back under its own secret just now, or it is another droplet


def _enrol(boot: str, secret: str, droplet: str, address: str, port: int) -> None:
    """Hands a droplet its secret, under the boot secret that its user data gave it.

    Raises:
        AgentRefused: it does not show the certificate of the boot secret either.
    """
    with open_http(boot, droplet, address, port) as http:
        try:
            AgentClient(http).enrol(wire.Enrol(secret=secret))
        except AgentProblem as error:
            if error.problem.code != "conflict":  # enrolled a moment ago, and about to come back
                raise


def _wait_enrolled(client: AgentClient) -> wire.Ping:
    """The first answer under the droplet's own secret: the agent restarts to take it."""
    end = time.monotonic() + ENROL_SECONDS
    while True:
        try:
            return client.ping()
        except (AgentUnreachable, AgentRefused) as error:
            if time.monotonic() > end:
                raise AgentUnreachable(f"it did not come back under its own secret: {error}") from error
            time.sleep(POLL_SECONDS)


def apart(api: int) -> str:
    """That an agent's protocol is too far from ours, in words; empty when both work together."""
    if abs(api - wire.API_VERSION) <= VERSIONS_APART:
        return ""
    return (
        f"the agent speaks version {api} of the protocol and this controller {wire.API_VERSION}: "
        f"at most {VERSIONS_APART} may lie between them"
    )


def mend(api: int) -> str:
    """What to do about an agent whose protocol is too far from ours."""
    if api < wire.API_VERSION:
        return "Run upgrade-agents for the droplet's environment."
    return "This controller is the older one: bring it up to date."
