"""Firewalls: what the API says of them, and what they do to a droplet's ports."""

from __future__ import annotations

import socket
from typing import Any

import httpx
import pytest
from azure.core.exceptions import HttpResponseError

from tests.contract.sandbox.cloudflare.serving import until
from tests.contract.sandbox.digitalocean.conftest import Droplets

HERE, ELSEWHERE = "127.0.0.1", "127.76.0.1"


def rule(ports: str, *addresses: str) -> dict[str, Any]:
    return {"protocol": "tcp", "ports": ports, "sources": {"addresses": list(addresses)}}


def connects(address: str, port: int, source: str = HERE) -> bool:
    """Whether a connection opens; false for a refusal and for silence."""
    try:
        socket.create_connection((address, port), timeout=0.3, source_address=(source, 0)).close()
    except OSError:
        return False
    return True


def public(droplet: dict[str, Any]) -> str:
    return next(str(one["ip_address"]) for one in droplet["networks"]["v4"] if one["type"] == "public")


def settled(droplets: Droplets, firewall: dict[str, Any]) -> None:
    until(
        lambda: droplets.sdk.firewalls.get(firewall["id"])["firewall"]["status"] == "succeeded", "the firewall settles"
    )


def test_without_a_firewall_every_port_is_open(droplets: Droplets) -> None:
    address = public(droplets.active())
    assert all(connects(address, port) for port in (22, 80, 443, 9999))


def test_a_port_that_the_rules_close_does_not_answer(droplets: Droplets) -> None:
    droplet = droplets.active(tags=["web"])
    body = {"name": "fw", "tags": ["web"], "inbound_rules": [rule("80", "0.0.0.0/0"), rule("9990-9999", HERE)]}
    firewall = droplets.sdk.firewalls.create(body=body)["firewall"]
    assert firewall["status"] == "waiting"
    assert firewall["pending_changes"] == [{"droplet_id": droplet["id"], "removing": False, "status": "waiting"}]
    settled(droplets, firewall)
    address = public(droplet)
    assert [connects(address, port) for port in (22, 80, 443, 9999)] == [False, True, False, True]
    assert [connects(address, port, ELSEWHERE) for port in (80, 9999)] == [True, False]


def test_rules_droplets_and_tags_are_added_and_taken_away(droplets: Droplets) -> None:
    droplet, sdk = droplets.active(), droplets.sdk
    sdk.tags.create(body={"name": "web"})
    firewall = sdk.firewalls.create(body={"name": "fw", "inbound_rules": [rule("80", HERE)]})["firewall"]
    sdk.firewalls.assign_droplets(firewall["id"], body={"droplet_ids": [droplet["id"]]})
    sdk.firewalls.add_tags(firewall["id"], body={"tags": ["web"]})
    sdk.firewalls.add_rules(firewall["id"], body={"inbound_rules": [rule("22", HERE)]})
    settled(droplets, firewall)
    now = sdk.firewalls.get(firewall["id"])["firewall"]
    assert (now["droplet_ids"], now["tags"], len(now["inbound_rules"])) == ([droplet["id"]], ["web"], 2)
    sdk.firewalls.delete_rules(firewall["id"], body={"inbound_rules": [rule("22", HERE)]})
    settled(droplets, firewall)
    assert not connects(public(droplet), 22)
    sdk.firewalls.delete(firewall["id"])
    assert connects(public(droplet), 22)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "no spaces"},
        {"tags": ["absent"]},
        {"droplet_ids": [1]},
        {"inbound_rules": [rule("70000", HERE)]},
        {"inbound_rules": [rule("80", "example.test")]},
        {"inbound_rules": [{"protocol": "tcp", "ports": "80", "sources": {}}]},
        {"inbound_rules": [{"protocol": "tcp", "sources": {"addresses": [HERE]}}]},
        {"inbound_rules": [{"protocol": "tcp", "ports": 80, "sources": {"addresses": [HERE]}}]},
        {"inbound_rules": []},
        {"name": "f"},
    ],
)
def test_a_firewall_that_cannot_be_is_refused_with_422(droplets: Droplets, wrong: dict[str, Any]) -> None:
    with pytest.raises(HttpResponseError) as caught:
        droplets.sdk.firewalls.create(body={"name": "fw", "inbound_rules": [rule("80", HERE)], **wrong})
    assert caught.value.status_code == 422


def test_a_name_is_used_by_one_firewall_only(droplets: Droplets) -> None:
    body = {"name": "fw", "inbound_rules": [rule("80", HERE)]}
    droplets.sdk.firewalls.create(body=body)
    with pytest.raises(HttpResponseError) as caught:
        droplets.sdk.firewalls.create(body=body)
    assert caught.value.status_code == 409


def test_a_droplet_without_power_is_silent(droplets: Droplets) -> None:
    droplet = droplets.active()
    droplets.act(droplet["id"], type="power_off")
    with pytest.raises(TimeoutError):
        socket.create_connection((public(droplet), 80), timeout=0.2)


def test_a_request_that_names_nothing_to_add_or_take_is_refused_with_422(
    droplets: Droplets, http: httpx.Client
) -> None:
    body = {"name": "fw", "inbound_rules": [rule("80", HERE)]}
    path = f"/firewalls/{droplets.sdk.firewalls.create(body=body)['firewall']['id']}"
    for part in ("droplets", "tags", "rules"):
        for method in ("POST", "DELETE"):
            assert http.request(method, f"{path}/{part}", json={}).status_code == 422


def test_a_rule_for_icmp_needs_no_ports_and_shows_zero(droplets: Droplets) -> None:
    everywhere = {"protocol": "icmp", "destinations": {"addresses": ["0.0.0.0/0"]}}
    firewall = droplets.sdk.firewalls.create(body={"name": "fw", "outbound_rules": [everywhere]})["firewall"]
    assert firewall["outbound_rules"] == [{**everywhere, "ports": "0"}]
