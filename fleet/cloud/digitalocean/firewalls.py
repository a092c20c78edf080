"""Cloud firewalls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fleet import naming
from fleet.cloud.digitalocean.api import Api
from fleet.state import Firewall, Rule

EVERYWHERE = ["0.0.0.0/0", "::/0"]
OUTBOUND = [
    {"protocol": protocol, "ports": "0", "destinations": {"addresses": EVERYWHERE}} for protocol in ("tcp", "udp")
] + [{"protocol": "icmp", "destinations": {"addresses": EVERYWHERE}}]
"""Without outbound rules a firewall closes the way out too."""


class Firewalls:
    """The port `fleet.cloud.ports.Firewalls`."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def read(self, name: str) -> Firewall | None:
        """The firewall of that exact name."""
        return next((one for one in self._each() if one.name == name), None)

    def read_all(self) -> list[Firewall]:
        """All firewalls of the account."""
        return list(self._each())

    def _each(self) -> Iterator[Firewall]:
        return (_firewall(item) for item in self._api.pages(self._api.sdk.firewalls.list, "firewalls"))

    def ensure(self, name: str, inbound: tuple[Rule, ...], tags: tuple[str, ...]) -> Firewall:
        """Creates it or brings it to these rules and tags.

        Raises:
            PermanentError: one of that name is there, and its tags say that it is not ours.
        """
        found = self.read(name)
        if found:
            naming.check_firewall(name, found.tags)
        if found and _same(found, inbound, tags):
            return found
        for tag in tags:
            self._api.call(self._api.sdk.tags.create, "tag", body={"name": tag})
        body = {
            "name": name,
            "tags": list(tags),
            "inbound_rules": [_rule(rule) for rule in inbound],
            "outbound_rules": OUTBOUND,
        }
        if found is None:
            return _firewall(self._api.call(self._api.sdk.firewalls.create, "firewall", body=body))
        return _firewall(self._api.call(self._api.sdk.firewalls.update, "firewall", found.id, body=body))

    def remove(self, name: str) -> None:
        """Deletes our firewall of that exact name; absent is fine.

        Raises:
            PermanentError: its tags say that it is not ours.
        """
        found = self.read(name)
        if found:
            naming.check_firewall(name, found.tags)
            self._api.do(self._api.sdk.firewalls.delete, found.id)


def _same(firewall: Firewall, inbound: tuple[Rule, ...], tags: tuple[str, ...]) -> bool:
    return set(map(_plain, firewall.inbound)) == set(map(_plain, inbound)) and set(firewall.tags) == set(tags)


def _plain(rule: Rule) -> tuple[str, frozenset[str], frozenset[str]]:
    return rule.ports, frozenset(rule.addresses), frozenset(rule.tags)


def _rule(rule: Rule) -> dict[str, Any]:
    sources: dict[str, list[str]] = {}
    if rule.addresses:
        sources["addresses"] = list(rule.addresses)
    if rule.tags:
        sources["tags"] = list(rule.tags)
    return {"protocol": "tcp", "ports": rule.ports, "sources": sources}


def _firewall(item: dict[str, Any]) -> Firewall:
    return Firewall(
        id=item["id"],
        name=item["name"],
        inbound=tuple(
            Rule(
                ports=rule["ports"],
                addresses=tuple(rule["sources"].get("addresses") or ()),
                tags=tuple(rule["sources"].get("tags") or ()),
            )
            for rule in item.get("inbound_rules") or ()
            if rule["protocol"] == "tcp"
        ),
        tags=tuple(item.get("tags") or ()),
        settled=item["status"] == "succeeded" and not item.get("pending_changes"),
    )
