"""From the account's firewalls to who may connect to one droplet's ports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sandbox.machines.forwarder import EVERYBODY, PORTS

JSON = dict[str, Any]


def applies(firewall: JSON, droplet: JSON) -> bool:
    """Whether a firewall is attached to a droplet, by its id or by a tag."""
    tags = {tag.lower() for tag in droplet["tags"]}
    return droplet["id"] in firewall["droplet_ids"] or any(tag.lower() in tags for tag in firewall["tags"])


def sources_by_port(droplet: JSON, firewalls: Iterable[JSON], droplets: Sequence[JSON]) -> dict[int, tuple[str, ...]]:
    """For each forwarded port the addresses that may connect; all may where no firewall is attached.

    Several firewalls add up, as rules only allow.
    """
    attached = [firewall for firewall in firewalls if applies(firewall, droplet)]
    if not attached:
        return dict.fromkeys(PORTS, EVERYBODY)
    rules = [rule for firewall in attached for rule in firewall["inbound_rules"] if rule["protocol"] == "tcp"]
    return {
        port: tuple(source for rule in rules if _covers(rule["ports"], port) for source in _sources(rule, droplets))
        for port in PORTS
    }


def _covers(ports: str, port: int) -> bool:
    if ports in ("0", "all"):
        return True
    first, _, last = ports.partition("-")
    return int(first) <= port <= int(last or first)


def _sources(rule: JSON, droplets: Sequence[JSON]) -> list[str]:
    """The addresses of a rule, those of the droplets it names by tag or id among them."""
    sources = rule.get("sources") or {}
    tags = {tag.lower() for tag in sources.get("tags") or ()}
    named = [
        droplet
        for droplet in droplets
        if droplet["id"] in (sources.get("droplet_ids") or ()) or tags & {tag.lower() for tag in droplet["tags"]}
    ]
    return [*(sources.get("addresses") or ()), *(address for droplet in named for address in _addresses(droplet))]


def _addresses(droplet: JSON) -> list[str]:
    return [network["ip_address"] for network in droplet["networks"]["v4"]]
