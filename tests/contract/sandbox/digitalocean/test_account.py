"""Account, keys, catalogue, images, tags, VPCs, and what surrounds every answer."""

from __future__ import annotations

import httpx
import pydo
import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError

from tests.contract.sandbox.cloudflare.serving import until
from tests.contract.sandbox.digitalocean.conftest import Cloud, Droplets, error_id

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDEBhJcZLaFk3CZL0itPIQw1RUBuNZmh+4R4oXCmGCHD me"


def test_a_wrong_token_is_refused_with_401(cloud: Cloud) -> None:
    with (
        pydo.Client("wrong", endpoint=cloud.url, connection_verify=str(cloud.authority_file), retry_total=0) as client,
        pytest.raises(ClientAuthenticationError) as caught,
    ):
        client.account.get()
    assert error_id(caught.value) == "unauthorized"


def test_an_unknown_route_is_refused_with_501_and_named(http: httpx.Client) -> None:
    reply = http.get("/kubernetes/clusters")
    assert reply.status_code == 501
    assert "GET /v2/kubernetes/clusters" in reply.json()["message"]


def test_every_answer_has_a_request_id_and_the_rate_limit(http: httpx.Client) -> None:
    replies = [http.get("/account"), http.get("/droplets/1")]
    assert [reply.status_code for reply in replies] == [200, 404]
    assert len({reply.headers["x-request-id"] for reply in replies}) == 2
    for name in ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"):
        assert all(reply.headers[name].isdigit() for reply in replies)


def test_a_burst_is_refused_with_429_and_the_seconds_to_wait(http: httpx.Client, cloud: Cloud) -> None:
    cloud.limit.burst = 2
    reply = [http.get("/account") for _ in range(3)][-1]
    assert (reply.status_code, reply.json()["id"]) == (429, "too_many_requests")
    assert 1 <= int(reply.headers["retry-after"]) <= 60


def test_a_burst_leaves_nothing_and_only_a_burst_says_how_long_to_wait(http: httpx.Client, cloud: Cloud) -> None:
    cloud.limit.burst = 1
    burst = [http.get("/account") for _ in range(2)][-1]
    assert burst.headers["ratelimit-remaining"] == "0"
    cloud.limit.hourly = 1
    hour = http.get("/account")
    assert (hour.status_code, "retry-after" in hour.headers) == (429, False)


def test_keys_are_listed_ten_times_a_minute_and_read_more_often(http: httpx.Client) -> None:
    replies = [http.get("/account/keys") for _ in range(11)]
    assert [reply.status_code for reply in replies] == [200] * 10 + [429]
    assert 1 <= int(replies[-1].headers["retry-after"]) <= 60
    assert http.get("/account/keys/1").status_code == 404


def test_head_answers_as_get_without_a_body(http: httpx.Client) -> None:
    head, get = http.head("/regions"), http.get("/regions")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]
    assert "x-request-id" in head.headers


def test_a_body_that_is_no_json_is_refused_with_400(http: httpx.Client) -> None:
    assert http.post("/droplets", content=b"{").status_code == 400


def test_the_account_has_a_team_whose_id_stays(sdk: pydo.Client) -> None:
    first, second = sdk.account.get()["account"], sdk.account.get()["account"]
    assert first["status"] == "active"
    assert first["team"]["uuid"] == second["team"]["uuid"]


def test_sizes_name_the_regions_that_have_them(sdk: pydo.Client) -> None:
    regions = {region["slug"]: region for region in sdk.regions.list()["regions"]}
    for size in sdk.sizes.list()["sizes"]:
        assert all(size["slug"] in regions[slug]["sizes"] for slug in size["regions"])


def test_a_key_is_added_once_and_found_by_number_and_fingerprint(sdk: pydo.Client) -> None:
    key = sdk.ssh_keys.create(body={"name": "me", "public_key": KEY})["ssh_key"]
    assert sdk.ssh_keys.get(key["id"])["ssh_key"] == sdk.ssh_keys.get(key["fingerprint"])["ssh_key"] == key
    with pytest.raises(HttpResponseError, match="already in use"):
        sdk.ssh_keys.create(body={"name": "again", "public_key": KEY})
    sdk.ssh_keys.delete(key["id"])
    assert sdk.ssh_keys.list()["ssh_keys"] == []


def test_a_droplet_gets_the_keys_that_are_named(droplets: Droplets, cloud: Cloud) -> None:
    key = droplets.sdk.ssh_keys.create(body={"name": "me", "public_key": KEY})["ssh_key"]
    id = droplets.active(ssh_keys=[key["fingerprint"]])["id"]
    assert cloud.machines.made[id].public_keys == (KEY,)


def test_a_snapshot_is_a_snapshot_and_an_image(droplets: Droplets, cloud: Cloud) -> None:
    id = droplets.active(size="s-1vcpu-2gb")["id"]
    assert droplets.act(id, type="snapshot", name="base")["status"] == "completed"
    sdk = droplets.sdk
    snapshot = sdk.snapshots.list(resource_type="droplet")["snapshots"][0]
    assert (snapshot["resource_id"], snapshot["min_disk_size"]) == (str(id), 50)
    image = sdk.images.list(private=True)["images"][0]
    assert (str(image["id"]), image["slug"], image["public"]) == (snapshot["id"], None, False)
    assert droplets.get(id)["snapshot_ids"] == [image["id"]]


def test_a_droplet_from_a_snapshot_needs_a_disk_that_is_large_enough(droplets: Droplets, cloud: Cloud) -> None:
    id = droplets.active(size="s-1vcpu-2gb")["id"]
    droplets.act(id, type="snapshot", name="base")
    image = droplets.sdk.images.list(private=True)["images"][0]["id"]
    with pytest.raises(HttpResponseError, match="larger disk"):
        droplets.new(image=image, size="s-1vcpu-1gb")
    second = droplets.active(image=image, size="s-1vcpu-2gb")["id"]
    assert cloud.machines.made[second].image == image


def test_an_image_is_described_tagged_and_deleted(droplets: Droplets, cloud: Cloud) -> None:
    droplets.act(droplets.active()["id"], type="snapshot", name="base")
    sdk = droplets.sdk
    id = sdk.images.list(private=True)["images"][0]["id"]
    sdk.images.update(id, body={"description": "docker 20.10"})
    sdk.tags.create(body={"name": "owner:x"})
    resource = {"resource_id": str(id), "resource_type": "image"}
    sdk.tags.assign_resources("owner:x", body={"resources": [resource]})
    assert sdk.images.get(id)["image"]["description"] == "docker 20.10"
    assert sdk.snapshots.get(str(id))["snapshot"]["tags"] == ["owner:x"]  # type: ignore[arg-type]  # its hints are wrong
    sdk.snapshots.delete(str(id))  # type: ignore[arg-type]  # its hints are wrong
    assert sdk.images.get(id)["id"] == "not_found"
    until(lambda: id not in cloud.machines.copies, "the disk is gone")


def test_a_distribution_that_is_unknown_becomes_unknown(droplets: Droplets) -> None:
    droplets.act(droplets.active()["id"], type="snapshot", name="base")
    id = droplets.sdk.images.list(private=True)["images"][0]["id"]
    for sent, kept in (("Plan 9", "Unknown"), ("Fedora", "Fedora")):
        assert droplets.sdk.images.update(id, body={"distribution": sent})["image"]["distribution"] == kept


def test_an_image_that_is_no_snapshot_is_refused_with_400(http: httpx.Client, sdk: pydo.Client) -> None:
    id = sdk.images.list()["images"][0]["id"]
    assert [http.request(method, f"/snapshots/{id}").status_code for method in ("GET", "DELETE")] == [400, 400]


def test_debian_12_is_there_by_its_slug(sdk: pydo.Client) -> None:
    assert sdk.images.get("debian-12-x64")["image"]["distribution"] == "Debian"  # type: ignore[arg-type]  # its hints are wrong


def test_a_tag_counts_what_carries_it_and_goes_from_everything(droplets: Droplets) -> None:
    id, sdk = droplets.active(tags=["a:b"])["id"], droplets.sdk
    tag = sdk.tags.get("a:b")["tag"]
    assert tag["resources"]["droplets"]["count"] == 1
    assert tag["resources"]["last_tagged_uri"].endswith(f"/droplets/{id}")
    sdk.tags.delete("a:b")
    assert sdk.tags.get("a:b")["id"] == "not_found"
    assert droplets.get(id)["tags"] == []


@pytest.mark.parametrize(("type", "status"), [("volume", 404), ("volume_snapshot", 404), ("database", 404), ("x", 422)])
def test_what_the_sandbox_has_none_of_cannot_be_tagged(http: httpx.Client, type: str, status: int) -> None:
    http.post("/tags", json={"name": "web"})
    body = {"resources": [{"resource_id": "1", "resource_type": type}]}
    assert http.post("/tags/web/resources", json=body).status_code == status


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "no spaces"},
        {"description": "x" * 256},
        {"region": "moon1"},
        {"ip_range": "10.20.8.0/24"},
        {"ip_range": "127.0.0.0/20"},
        {"ip_range": "10.30.0.0/15"},
    ],
)
def test_a_vpc_that_cannot_be_is_refused_with_422(sdk: pydo.Client, wrong: dict[str, str]) -> None:
    sdk.vpcs.create(body={"name": "first", "region": "nyc3", "ip_range": "10.20.0.0/20"})
    with pytest.raises(HttpResponseError) as caught:
        sdk.vpcs.create(body={"name": "second", "region": "nyc3", **wrong})
    assert caught.value.status_code == 422


@pytest.mark.parametrize(
    ("method", "change", "status"),
    [
        ("PUT", {"description": "without a name"}, 422),
        ("PATCH", {"description": "without a name"}, 200),
        ("PATCH", {"name": "no spaces"}, 422),
        ("PATCH", {"name": "second"}, 409),
        ("PUT", {"name": "first"}, 200),
        ("PATCH", {"default": False}, 422),
    ],
)
def test_a_vpc_is_changed_within_the_same_limits(
    http: httpx.Client, method: str, change: dict[str, object], status: int
) -> None:
    ids = [http.post("/vpcs", json={"name": n, "region": "nyc3"}).json()["vpc"]["id"] for n in ("first", "second")]
    assert http.request(method, f"/vpcs/{ids[0]}", json=change).status_code == status


def test_the_members_of_a_vpc_are_filtered_by_their_kind(droplets: Droplets, http: httpx.Client) -> None:
    path = f"/vpcs/{droplets.new()['vpc_uuid']}/members"
    replies = [http.get(path, params={"resource_type": type}).json() for type in ("droplet", "database")]
    assert [reply["meta"]["total"] for reply in replies] == [1, 0]


def test_a_region_gets_a_default_vpc_with_its_first_droplet(droplets: Droplets) -> None:
    droplet = droplets.active()
    vpc = droplets.sdk.vpcs.get(droplet["vpc_uuid"])["vpc"]
    assert (vpc["region"], vpc["default"]) == ("nyc3", True)
    made = droplets.sdk.vpcs.create(body={"name": "mine", "region": "nyc3"})["vpc"]
    assert made["default"] is False
    assert droplets.sdk.vpcs.list()["meta"]["total"] == 2
