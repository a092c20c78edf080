"""Droplets and the edge prove themselves to each other: certificates on the droplets, settings of the zone.

A droplet makes its key and a signing request, Cloudflare signs, the droplet shows what came; the edge's own certificate
is made here, given to Cloudflare with its key, and kept nowhere else. Droplets refuse others only a round after the
edge was told to show it: until then not all of the edge may do so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from prefect import get_run_logger

from agent import wire
from blocks.environment import Environment
from fleet import naming, origins
from fleet.errors import PermanentError
from fleet.origins import Pulls, Shown
from fleet.state import Droplet
from tasks.agents import reach
from tasks.policy import gather, step

STRICT: Final = "strict"


@dataclass(frozen=True)
class Trust:
    """What the edge shows to origins, and whether it did before this run."""

    pulls: Pulls
    at: datetime

    @property
    def admitted(self) -> str:
        """Certificates that droplets admit (PEM), the newest first; empty: there is none yet."""
        return "".join(self.pulls.ours(self.at))

    @property
    def steady(self) -> bool:
        """Whether droplets may refuse whoever does not show it."""
        return self.pulls.enabled and not origins.wants_pulls(self.pulls, self.at)


@dataclass(frozen=True)
class Insistence:
    """What the edge does with origins by now."""

    mode: str
    hindrance: str
    """Why it does not insist on their certificates; empty: it does."""


def admit_new(hosts: Sequence[Droplet], environment: Environment) -> None:
    """Droplets that visitors may come to next show what the edge may insist on.

    Where Cloudflare does not allow it they keep the certificate that they signed themselves, which mode Full takes, and
    the log names the reason.
    """
    if environment.origin != STRICT or not hosts:
        return
    try:
        trust = read(environment)
        certify_all(hosts, trust, environment, demand=None)
    except PermanentError as error:
        get_run_logger().warning("Droplets keep the certificates that they have: %s", error)


@step("{environment.project}-{environment.name}: list the droplets")
def list_droplets(environment: Environment) -> list[Droplet]:
    """The environment's droplets that can be reached."""
    found = environment.digitalocean.client().droplets.read_tagged(naming.environment_tag(environment.spec()))
    return sorted((one for one in found if one.public_address), key=lambda one: one.name)


@step("{environment.project}-{environment.name}: what the edge shows to origins")
def read(environment: Environment) -> Trust:
    """What it shows; one of ours is made where there is none yet, and kept by Cloudflare."""
    port, now = environment.cloudflare.client().origins, datetime.now(UTC)
    trust = Trust(port.read_pulls(), now)
    if trust.admitted:
        return trust
    port.add_pulls(origins.new_pulls(now))
    return Trust(port.read_pulls(), now)


def certify_all(
    hosts: Sequence[Droplet], trust: Trust, environment: Environment, *, demand: bool | None
) -> dict[str, Shown]:
    """What each droplet shows by now; with `demand` it answers the edge alone, and with None as before.

    Raises:
        HostsFailed: some could not be brought to it; the message names each with its reason.
    """
    futures = [certify.submit(host, trust.admitted, demand, environment) for host in hosts]
    shown = gather("Certificates for the edge", [host.name for host in hosts], futures)
    return {host.name: one for host, one in zip(hosts, shown, strict=True)}


@step("{droplet.name}: certificate for the edge")
def certify(droplet: Droplet, admitted: str, demand: bool | None, environment: Environment) -> Shown:
    """A certificate that the edge trusts, renewed a month before its end; and whom the droplet admits."""
    zone, port = environment.cloudflare.zone, environment.cloudflare.client().origins
    with reach(environment, droplet) as agent:
        seen = _shown(agent.origin.read())
        due = origins.is_due(seen, zone, datetime.now(UTC))
        required = seen.asks and (seen.required if demand is None else demand)
        if not due and (seen.pulls, seen.required) == (origins.fingerprint(admitted), required):
            get_run_logger().info("%s has what it needs until %s.", droplet.name, f"{seen.expires_at:%Y-%m-%d}")
            return seen
        names = origins.names(zone)
        certificate = port.sign(agent.origin.request(names), names) if due else None
        body = wire.OriginCertificate(certificate=certificate, pulls=admitted, required=required)
        return _shown(agent.origin.install(body))


@step("{environment.project}-{environment.name}: the edge insists on certificates")
def insist(hosts: Sequence[Droplet], environment: Environment) -> Insistence:
    """The zone's mode, strict where every record leads to one of these droplets; and the edge shows its certificate."""
    client = environment.cloudflare.client()
    port = client.origins
    if not port.read_pulls().enabled:
        port.show_pulls()
    mode = port.read_mode()
    if mode == STRICT:
        return Insistence(mode, "")
    secured = {host.public_address or "" for host in hosts}
    hindrance = origins.hindrance(client.read_records(), secured, environment.cloudflare.zone)
    if not hindrance:
        port.set_mode(STRICT)
    return Insistence(mode if hindrance else STRICT, hindrance)


@step("{environment.project}-{environment.name}: exchange what the edge shows", retries=0)
def exchange(environment: Environment) -> Trust:
    """Another certificate for the edge; droplets must refuse nobody meanwhile."""
    port, now = environment.cloudflare.client().origins, datetime.now(UTC)
    port.add_pulls(origins.new_pulls(now))
    return Trust(port.read_pulls(), now)


def renew(hosts: Sequence[Droplet], trust: Trust, environment: Environment) -> Trust:
    """What the edge shows is good for another year at least; until it is exchanged, droplets refuse nobody."""
    if not origins.wants_pulls(trust.pulls, trust.at):
        return trust
    certify_all(hosts, trust, environment, demand=False)
    return exchange(environment)


def _shown(found: wire.Origin) -> Shown:
    return Shown(found.names, found.expires_at, found.signed, found.pulls, found.required, found.asks)
