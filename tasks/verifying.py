"""The look from outside that ends a change; where it fails, why: the droplets, the edge and the zone are asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

import httpx

from agent import wire
from blocks.environment import Environment
from fleet.errors import DeployerError, TransientError
from fleet.remediation.causes import Cause, classify
from fleet.remediation.evidence import Lookup, Probe, Refusal
from fleet.spec import Maintenance, ServiceSpec
from fleet.state import Droplet
from tasks import causes, reports, visits
from tasks.agents import reach
from tasks.policy import step

OBSERVER: Final = "verification"
MOST: Final = 5
"""Names, and droplets, that are asked for a cause: the first may do for all."""


class Unserved(TransientError):
    """A name is not answered as it should be; its cause, if one is known, takes the place of the hint."""

    def __init__(self, error: DeployerError, where: str, cause: Cause) -> None:
        super().__init__(error.message, hint=f"Cause, as seen at {where}: {cause}")
        self.where = where
        self.cause = cause


def verify(
    service: ServiceSpec, name: str, hosts: Sequence[Droplet], page: Maintenance | None, environment: Environment
) -> dict[str, int]:
    """Asks for every domain of a new release as a visitor does; gives the status of each.

    Args:
        service: what was deployed.
        name: its container, which `hosts` are asked about where a domain is not answered.
        hosts: the droplets that serve it.
        page: the maintenance page in front of it, which visitors should then see.
        environment: where.

    Raises:
        Unserved, TransientError: a domain is not answered as it should be, although it was asked again and again.
    """
    path = service.health.path or "/"
    return _explained(
        lambda: reports.verify(service, page, environment),
        lambda: explain(name, hosts, service.domains, path, environment),
        page,
    )


def verify_back(
    name: str, hosts: Sequence[Droplet], domains: Sequence[str], page: Maintenance | None, environment: Environment
) -> dict[str, int]:
    """The same for a release of the container `name` that served before, whose names are `domains`.

    Raises:
        Unserved, TransientError: as for `verify`.
    """
    return _explained(
        lambda: reports.verify_back(domains, page, environment),
        lambda: explain(name, hosts, domains, "/", environment),
        page,
    )


def _explained(
    ask: Callable[[], dict[str, int]], why: Callable[[], tuple[str, Cause] | None], page: Maintenance | None
) -> dict[str, int]:
    try:
        return ask()
    except TransientError as error:
        found = None if page else why()  # a page that is missing says nothing of the service
        if found is None:
            raise
        raise Unserved(error, *found) from error


@step("{name}: look for the cause", timeout=timedelta(minutes=2), retries=0)
def explain(
    name: str, hosts: Sequence[Droplet], domains: Sequence[str], path: str, environment: Environment
) -> tuple[str, Cause] | None:
    """The first droplet at which one cause fits all that is seen, and that cause; None: none fits anywhere.

    What cannot be asked is left out; this never fails by itself.
    """
    outside = [_probe(domain, path, environment) for domain in domains[:MOST]]
    lookups = _lookups(hosts, domains[:MOST], environment)
    for host in hosts[:MOST]:
        symptoms = _symptoms(name, host, environment)
        cause = classify(causes.evidence(symptoms, outside, lookups))
        if cause.word != causes.UNKNOWN:
            return host.name, cause
    return None


def _probe(domain: str, path: str, environment: Environment) -> Probe:
    try:
        status = visits.get(environment.url(domain) + path).status
    except TransientError as error:
        return Probe("edge", error=_refusal(error.__cause__), host=domain, path=path)
    return Probe("edge", status, host=domain, path=path)


def _symptoms(name: str, host: Droplet, environment: Environment) -> wire.Symptoms | None:
    try:
        with reach(environment, host) as agent:
            return agent.health(name, observer=OBSERVER, why=True).symptoms
    except DeployerError:
        return None


def _lookups(hosts: Sequence[Droplet], domains: Sequence[str], environment: Environment) -> list[Lookup]:
    """What the zone says of each name: a proxied name is looked up by the edge, and by nobody else."""
    expected = tuple(host.public_address for host in hosts if host.public_address)
    try:
        found = {domain: _addresses(domain, environment) for domain in domains}
    except DeployerError:
        return []
    return [Lookup(name, there, expected, not {*there}.isdisjoint(expected)) for name, there in found.items()]


def _addresses(domain: str, environment: Environment) -> tuple[str, ...]:
    records = environment.cloudflare.client().read_records(name=domain)
    return tuple(sorted(record.content for record in records if record.type in ("A", "AAAA", "CNAME")))


def _refusal(error: BaseException | None) -> Refusal:
    """Why the edge gave no answer, by the error of the client that asked it."""
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return "timeout"
    told = str(error).lower()
    words: dict[str, Refusal] = {"name": "name", "getaddrinfo": "name", "ssl": "tls", "certificate": "tls"}
    known = next((refusal for word, refusal in words.items() if word in told), None)
    return known or ("refused" if isinstance(error, httpx.ConnectError) else "closed")
