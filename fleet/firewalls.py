"""Who may reach an environment's droplets: the rules that its firewall should have, compared with those it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fleet import naming
from fleet.spec import EnvironmentSpec
from fleet.state import Firewall, Rule, World

AGENT_PORT = "9999"
PEER_PORT = "9998"
WEB_PORTS = ("80", "443")


@dataclass(frozen=True)
class FirewallPlan:
    """The firewall as it should be, and what that takes."""

    verb: Literal["create", "change", "keep"]
    name: str
    inbound: tuple[Rule, ...]
    tags: tuple[str, ...]


def plan_firewall(world: World, spec: EnvironmentSpec) -> FirewallPlan:
    """The edge comes in on 80 and 443, the controller on 9999, each other on 9998, and nobody else."""
    inbound = (
        *(Rule(port, addresses=world.edge) for port in WEB_PORTS),
        Rule(AGENT_PORT, addresses=spec.controller_addresses),
        Rule(PEER_PORT, tags=(naming.environment_tag(spec),)),
    )
    name, tags = naming.firewall(spec), (naming.environment_tag(spec),)
    found = next((one for one in world.firewalls if one.name == name), None)
    if found is None:
        return FirewallPlan("create", name, inbound, tags)
    same = found.settled and _plain(found) == _plain(Firewall("", name, inbound, tags))
    return FirewallPlan("keep" if same else "change", name, inbound, tags)


def _plain(firewall: Firewall) -> tuple[frozenset[tuple[str, frozenset[str], frozenset[str]]], frozenset[str]]:
    """Without the order of things, which providers do not keep."""
    rules = ((rule.ports, frozenset(rule.addresses), frozenset(rule.tags)) for rule in firewall.inbound)
    return frozenset(rules), frozenset(firewall.tags)
