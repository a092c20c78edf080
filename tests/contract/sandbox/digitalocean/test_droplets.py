"""Droplets and their actions, as pydo sees them."""

from __future__ import annotations

from typing import Any

import httpx
import pydo
import pytest
from azure.core.exceptions import HttpResponseError

from sandbox.digitalocean.inventory import LEAVING
from tests.contract.sandbox.cloudflare.serving import until
from tests.contract.sandbox.digitalocean.conftest import Cloud, Droplets, error_id


def test_a_new_droplet_has_no_address_and_gets_one_before_it_is_active(droplets: Droplets) -> None:
    new = droplets.new(tags=["owner:a1b2c3"])
    assert (new["status"], new["networks"]["v4"], new["tags"]) == ("new", [], ["owner:a1b2c3"])
    until(lambda: droplets.get(new["id"])["status"] == "active", "active")
    networks = {network["type"]: network["ip_address"] for network in droplets.get(new["id"])["networks"]["v4"]}
    assert networks["public"].startswith("127.77.")
    assert networks["private"].startswith("10.114.")


def test_an_address_is_given_again_only_once_the_machine_that_had_it_is_gone(cloud: Cloud, droplets: Droplets) -> None:
    def public(droplet: dict[str, Any]) -> str:
        return next(str(one["ip_address"]) for one in droplet["networks"]["v4"] if one["type"] == "public")

    cloud.machines.failing = {"remove"}
    stays = droplets.active()
    droplets.sdk.droplets.destroy(stays["id"])
    goes = droplets.active()
    assert public(goes) != public(stays)
    cloud.machines.failing = set()
    droplets.sdk.droplets.destroy(goes["id"])
    until(lambda: goes["id"] not in [one["id"] for one in cloud.store.all(LEAVING)], "the machine is gone")
    assert public(droplets.active()) == public(goes)


def test_a_created_droplet_comes_with_the_link_to_its_action(sdk: pydo.Client, droplets: Droplets) -> None:
    body = {"name": "a", "region": "nyc3", "size": "s-1vcpu-1gb", "image": "debian-12-x64"}
    reply = sdk.droplets.create(body=body)
    link = reply["links"]["actions"][0]
    assert link["rel"] == "create"
    assert sdk.actions.get(link["id"])["action"]["resource_id"] == reply["droplet"]["id"]


def test_several_names_make_several_droplets(sdk: pydo.Client) -> None:
    body = {"names": ["a", "b"], "region": "nyc3", "size": "s-1vcpu-1gb", "image": "debian-12-x64"}
    assert [droplet["name"] for droplet in sdk.droplets.create(body=body)["droplets"]] == ["a", "b"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": "s-none"},
        {"image": "windows"},
        {"region": "moon1"},
        {"name": "not_a_host_name"},
        {"name": None},
        {"tags": ["no spaces"]},
        {"ssh_keys": [1]},
        {"region": "lon1", "size": "s-1vcpu-512mb-10gb"},
        {"user_data": "x" * (64 * 1024 + 1)},
        {"vpc_uuid": "none"},
    ],
)
def test_a_droplet_that_cannot_be_is_refused_with_422(droplets: Droplets, wrong: dict[str, object]) -> None:
    with pytest.raises(HttpResponseError) as caught:
        droplets.new(**wrong)
    assert caught.value.status_code == 422
    assert error_id(caught.value) == "unprocessable_entity"
    assert droplets.sdk.droplets.list()["meta"]["total"] == 0


def test_droplets_are_listed_by_tag_and_by_name_in_pages(droplets: Droplets) -> None:
    for name in ("a", "b", "c"):
        droplets.new(name=name, tags=["team:x"] if name != "c" else [])
    tagged = droplets.sdk.droplets.list(tag_name="team:x", per_page=1, page=1)
    assert tagged["meta"]["total"] == 2
    assert "page=2" in tagged["links"]["pages"]["next"]
    assert [item["name"] for item in droplets.sdk.droplets.list(name="c")["droplets"]] == ["c"]
    assert droplets.sdk.droplets.list(page=9)["droplets"] == []


def test_there_are_no_droplets_with_a_gpu_and_a_tag_excludes_the_other_filters(
    droplets: Droplets, http: httpx.Client
) -> None:
    droplets.new(tags=["web"])
    replies = [http.get("/droplets", params={"type": type}).json() for type in ("droplets", "gpus")]
    assert [reply["meta"]["total"] for reply in replies] == [1, 0]
    for other in ({"type": "gpus"}, {"name": "web-1"}):
        assert http.get("/droplets", params={"tag_name": "web", **other}).status_code == 400


def test_links_repeat_the_size_of_a_page_only_where_it_was_asked_for(droplets: Droplets, http: httpx.Client) -> None:
    for number in range(3):
        droplets.sdk.tags.create(body={"name": f"t{number}"})
    asked = http.get("/tags", params={"per_page": 2}).json()["links"]["pages"]
    assert {name: link.partition("?")[2] for name, link in asked.items()} == {
        "next": "page=2&per_page=2",
        "last": "page=2&per_page=2",
    }
    assert http.get("/tags", params={"page": 2}).json()["links"]["pages"]["first"].endswith("/v2/tags?page=1")
    assert http.get("/tags").json()["links"] == {}


@pytest.mark.parametrize("wish", [{"ipv6": True}, {"backups": True}, {"volumes": ["v"]}, {"public_networking": False}])
def test_what_a_droplet_cannot_have_in_the_sandbox_is_refused_with_501(
    droplets: Droplets, wish: dict[str, object]
) -> None:
    with pytest.raises(HttpResponseError, match=next(iter(wish))) as caught:
        droplets.new(**wish)
    assert caught.value.status_code == 501
    assert droplets.sdk.droplets.list()["meta"]["total"] == 0


@pytest.mark.parametrize(("region", "prefix"), [("lon", "lon"), ("nyc", "nyc"), (None, "")])
def test_a_region_is_chosen_for_a_prefix_and_when_none_is_named(
    droplets: Droplets, region: str | None, prefix: str
) -> None:
    assert droplets.new(region=region)["region"]["slug"].startswith(prefix)


def test_the_chosen_region_has_the_size_and_the_image(droplets: Droplets) -> None:
    droplets.act(droplets.active(region="sgp1")["id"], type="snapshot", name="base")
    image = droplets.sdk.images.list(private=True)["images"][0]["id"]
    assert droplets.new(region=None, image=image)["region"]["slug"] == "sgp1"


def test_a_private_network_is_shown_without_a_gateway(droplets: Droplets) -> None:
    gateways = {one["type"]: one["gateway"] for one in droplets.active()["networks"]["v4"]}
    assert gateways["private"] == "nil"
    assert gateways["public"].startswith("127.77.")


def test_a_destroyed_droplet_is_answered_with_204_a_type_and_no_body(droplets: Droplets, http: httpx.Client) -> None:
    reply = http.delete(f"/droplets/{droplets.active()['id']}")
    assert (reply.status_code, reply.content) == (204, b"")
    assert reply.headers["content-type"] == "application/json; charset=utf-8"


def test_a_destroyed_droplet_is_not_found_and_its_machine_goes(droplets: Droplets, cloud: Cloud) -> None:
    id = droplets.active()["id"]
    assert droplets.sdk.droplets.destroy(id) is None
    assert droplets.sdk.droplets.get(id)["id"] == "not_found"
    until(lambda: id not in cloud.machines.made, "the machine is gone")


def test_a_tag_destroys_all_that_carry_it_and_nothing_else(droplets: Droplets) -> None:
    droplets.active(tags=["gone"])
    kept = droplets.active()["id"]
    droplets.sdk.droplets.destroy_by_tag(tag_name="gone")
    assert [item["id"] for item in droplets.sdk.droplets.list()["droplets"]] == [kept]


def test_a_tag_that_is_unknown_destroys_nothing_and_is_404(droplets: Droplets, http: httpx.Client) -> None:
    droplets.new()
    assert http.delete("/droplets", params={"tag_name": "never"}).status_code == 404
    assert droplets.sdk.droplets.list()["meta"]["total"] == 1


@pytest.mark.parametrize(
    ("types", "status"),
    [
        (["power_off"], "off"),
        (["shutdown"], "off"),
        (["power_off", "power_on"], "active"),
        (["reboot"], "active"),
        (["power_cycle"], "active"),
    ],
)
def test_power_actions_end_in_the_status_they_mean(
    droplets: Droplets, cloud: Cloud, types: list[str], status: str
) -> None:
    id = droplets.active()["id"]
    for type in types:
        assert droplets.act(id, type=type)["status"] == "completed"
    assert droplets.get(id)["status"] == status
    assert (id in cloud.machines.running) == (status == "active")


def test_a_droplet_is_renamed(droplets: Droplets) -> None:
    id = droplets.active()["id"]
    assert droplets.act(id, type="rename", name="other")["status"] == "completed"
    assert droplets.get(id)["name"] == "other"


def test_a_rebuilt_droplet_keeps_id_and_addresses_and_is_a_new_instance(droplets: Droplets, cloud: Cloud) -> None:
    before = droplets.active()
    first = cloud.machines.made[before["id"]].instance
    assert droplets.act(before["id"], type="rebuild", image="debian-12-x64")["status"] == "completed"
    assert droplets.get(before["id"])["networks"] == before["networks"]
    assert cloud.machines.made[before["id"]].instance != first


def test_a_droplet_is_restored_from_an_image_of_itself_only(droplets: Droplets) -> None:
    one, other = droplets.active()["id"], droplets.active()["id"]
    droplets.act(one, type="snapshot", name="base")
    image = droplets.get(one)["snapshot_ids"][0]
    with pytest.raises(HttpResponseError, match="of itself"):
        droplets.act(other, type="restore", image=image)
    assert droplets.act(one, type="restore", image=image)["status"] == "completed"


def test_a_droplets_snapshots_have_numbers_and_nothing_of_an_image(droplets: Droplets) -> None:
    id = droplets.active()["id"]
    droplets.act(id, type="snapshot", name="base")
    (snapshot,) = droplets.sdk.droplets.list_snapshots(id)["snapshots"]
    assert snapshot["id"] in droplets.get(id)["snapshot_ids"]
    assert set(snapshot) == {"id", "name", "created_at", "regions", "min_disk_size", "size_gigabytes", "type"}


@pytest.mark.parametrize("type", ["reboot", "rename", "rebuild", "restore"])
def test_tagged_droplets_take_some_actions_only(droplets: Droplets, http: httpx.Client, type: str) -> None:
    id = droplets.active(tags=["web"])["id"]
    body = {"type": type, "name": "a", "image": "debian-12-x64"}
    assert http.post("/droplets/actions", params={"tag_name": "web"}, json=body).status_code == 422
    assert droplets.get(id)["locked"] is False


def test_an_action_on_tagged_droplets_is_done_though_a_later_one_refuses(
    droplets: Droplets, cloud: Cloud, http: httpx.Client
) -> None:
    off, on = droplets.active(tags=["web"])["id"], droplets.active(tags=["web"])["id"]
    droplets.act(off, type="power_off")
    reply = http.post("/droplets/actions", params={"tag_name": "web"}, json={"type": "shutdown"})
    assert reply.status_code == 422
    until(lambda: droplets.get(on)["status"] == "off" and not droplets.get(on)["locked"], "the other one is off")


def test_a_second_action_is_refused_while_one_is_pending(droplets: Droplets, cloud: Cloud) -> None:
    id = droplets.active()["id"]
    cloud.machines.held.clear()
    droplets.sdk.droplet_actions.post(id, body={"type": "shutdown"})
    with pytest.raises(HttpResponseError, match="pending event") as caught:
        droplets.sdk.droplet_actions.post(id, body={"type": "power_off"})
    cloud.machines.held.set()
    assert caught.value.status_code == 422


def test_an_action_that_fails_is_errored_and_unlocks_the_droplet(droplets: Droplets, cloud: Cloud) -> None:
    id = droplets.active()["id"]
    cloud.machines.failing.add("snapshot")
    assert droplets.act(id, type="snapshot", name="s")["status"] == "errored"
    assert droplets.get(id)["locked"] is False


def test_the_state_survives_a_restart_and_machines_come_back(cloud: Cloud, droplets: Droplets) -> None:
    before = droplets.active(tags=["kept"])
    cloud.stop()
    cloud.machines.running.clear()
    cloud.start()
    until(lambda: before["id"] in cloud.machines.running, "the machine runs again")
    assert cloud.lifecycle.inventory.droplet(before["id"])["networks"] == before["networks"]
