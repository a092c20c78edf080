"""Faults over the control route, seen by clients that know nothing of them."""

from __future__ import annotations

import socket

import httpx
import pytest
from azure.core.exceptions import HttpResponseError

from tests.contract.sandbox.digitalocean.conftest import Cloud, Droplets
from tests.contract.sandbox.digitalocean.test_firewalls import connects, public


def test_the_control_route_needs_a_token_of_its_own(control: httpx.Client) -> None:
    assert control.get("/faults", headers={"authorization": "Bearer dop_v1_test"}).status_code == 401
    assert control.get("/faults").json() == []


def test_a_status_is_answered_as_often_as_told_and_nothing_is_done(control: httpx.Client, droplets: Droplets) -> None:
    control.post("/faults", json={"path": "/v2/droplets", "method": "POST", "status": 503})
    with pytest.raises(HttpResponseError) as caught:
        droplets.new()
    assert caught.value.status_code == 503
    assert droplets.sdk.droplets.list()["meta"]["total"] == 0
    assert droplets.new()["status"] == "new"


def test_a_429_says_how_long_to_wait(control: httpx.Client, http: httpx.Client) -> None:
    control.post("/faults", json={"path": "/v2/account", "status": 429, "retry_after": 7})
    reply = http.get("/account")
    assert (reply.status_code, reply.headers["retry-after"]) == (429, "7")


def test_a_lost_reply_comes_after_the_work_is_done(
    control: httpx.Client, http: httpx.Client, droplets: Droplets
) -> None:
    control.post("/faults", json={"path": "/v2/droplets", "method": "POST", "lose_reply": True})
    body = {"name": "a", "region": "nyc3", "size": "s-1vcpu-1gb", "image": "debian-12-x64"}
    with pytest.raises(httpx.RemoteProtocolError):
        http.post("/droplets", json=body)
    assert droplets.sdk.droplets.list(name="a")["meta"]["total"] == 1


def test_a_stale_list_lags_behind_until_the_fault_is_gone(control: httpx.Client, droplets: Droplets) -> None:
    fault = {"path": "/v2/droplets", "method": "GET", "stale": True, "times": None}
    id = control.post("/faults", json=fault).json()["id"]
    assert droplets.sdk.droplets.list()["meta"]["total"] == 0
    droplets.new()
    assert droplets.sdk.droplets.list()["meta"]["total"] == 0
    control.delete(f"/faults/{id}")
    assert droplets.sdk.droplets.list()["meta"]["total"] == 1


def test_a_fault_reaches_cloudflare_too(control: httpx.Client, cloud: Cloud) -> None:
    control.post("/faults", json={"path": "/client/v4/zones*", "status": 500})
    reply = control.get(f"{cloud.url}/client/v4/zones", headers={"authorization": "Bearer cf-test"})
    assert (reply.status_code, reply.json()["success"]) == (500, False)
    assert control.get(f"{cloud.url}/client/v4/zones", headers={"authorization": "Bearer cf-test"}).status_code == 200


def test_a_droplet_that_is_cut_off_is_silent_and_comes_back(control: httpx.Client, droplets: Droplets) -> None:
    droplet = droplets.active()
    path = f"/droplets/{droplet['id']}/faults"
    assert control.post(path, json={"cut": True}).status_code == 200
    with pytest.raises(TimeoutError):
        socket.create_connection((public(droplet), 80), timeout=0.2)
    control.post(path, json={"cut": False})
    assert connects(public(droplet), 80)


def test_a_droplet_is_frozen_filled_and_switched_off(control: httpx.Client, droplets: Droplets, cloud: Cloud) -> None:
    id = droplets.active()["id"]
    control.post(f"/droplets/{id}/faults", json={"pause": True, "fill_mib": 10, "power": "off"})
    assert id in cloud.machines.frozen
    assert cloud.machines.filled == {id: 10}
    assert droplets.get(id)["status"] == "off"


def test_a_fault_for_an_unknown_droplet_or_with_an_unknown_word_is_refused(control: httpx.Client) -> None:
    assert control.post("/droplets/1/faults", json={"cut": True}).status_code == 404
    assert control.post("/faults", json={"path": "/v2/*", "explode": True}).status_code == 422
