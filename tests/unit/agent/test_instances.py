"""What Docker is told of a container, whole and literal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent import wire
from agent.server import instances
from agent.server.instances import Place
from agent.server.ports import EngineError
from tests.unit.agent.builders import KINDS, NAME, VOLUME, release, spec

PLACE = Place("demo-prod-3f9a1c")
IMAGE = "sha256:" + "a" * 64
WANTED = spec(
    1,
    IMAGE,
    hosts=("hello.example.com", "www.example.com"),
    health={"path": "/up", "start_seconds": 9, "timeout_seconds": 1.5},
    environment={"MODE": "production", "DEPLOYER_RELEASE": "forged"},
    secrets={"PASSWORD": "s3cret"},
    memory_mib=64,
    cpus=0.5,
    drain_seconds=7,
)
GOLDEN: dict[str, Any] = {
    "Image": IMAGE,
    "Hostname": "web",
    "Env": [
        "MODE=production",
        "DEPLOYER_RELEASE=20261124t000001-abcdef",
        "DEPLOYER_DROPLET=demo-prod-3f9a1c",
        "DEPLOYER_SERVICE=web",
    ],
    "Labels": {
        "deployer.name": "9fe5e6_demo_prod_web",
        "deployer.release": "20261124t000001-abcdef",
        "deployer.image": IMAGE,
        "deployer.address": "172.30.0.16",
        "deployer.kind": "web",
        "deployer.port": "8080",
        "deployer.hosts": "hello.example.com,www.example.com",
        "deployer.health": '{"path":"/up","start_seconds":9,"timeout_seconds":1.5}',
        "deployer.drain": "7",
        "deployer.memory": "64",
        "deployer.pinned": instances.pinned(WANTED),
    },
    "StopTimeout": 10,
    "HostConfig": {
        "NetworkMode": "deployer",
        "RestartPolicy": {"Name": "unless-stopped"},
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
        "Memory": 67_108_864,
        "MemorySwap": 67_108_864,
        "NanoCpus": 500_000_000,
        "PidsLimit": 2048,
        "SecurityOpt": ["no-new-privileges"],
        "ExtraHosts": [],
        "Mounts": [{"Type": "bind", "Source": "/run/x", "Target": "/run/secrets", "ReadOnly": True}],
    },
    "NetworkingConfig": {"EndpointsConfig": {"deployer": {"IPAMConfig": {"IPv4Address": "172.30.0.16"}}}},
}


INSPECTED: dict[str, Any] = {
    "Id": "1" * 64,
    "Name": f"/{NAME}",
    "Created": "2026-11-24T01:02:00Z",
    "RestartCount": 2,
    "Config": {"Labels": GOLDEN["Labels"]},
    "State": {"Status": "exited", "ExitCode": 137, "Error": "", "StartedAt": "2026-11-24T01:02:03.123456789Z"},
}


def test_docker_is_told_exactly_this() -> None:
    assert instances.configuration(PLACE, NAME, WANTED, "172.30.0.16", Path("/run/x")) == GOLDEN


def test_no_secret_is_in_it_and_without_secrets_nothing_is_mounted() -> None:
    assert "s3cret" not in str(instances.configuration(PLACE, NAME, WANTED, "172.30.0.16", Path("/run/x")))
    assert instances.configuration(PLACE, NAME, WANTED, "172.30.0.16", None)["HostConfig"]["Mounts"] == []


def told(**changes: Any) -> dict[str, Any]:
    """What Docker is told of a container with this specification."""
    body: dict[str, Any] = instances.configuration(PLACE, NAME, spec(1, IMAGE, **changes), "172.30.0.16", None)
    return body


def test_a_volume_is_mounted_by_a_name_of_the_service_and_made_with_its_labels() -> None:
    assert told(volumes=(VOLUME,))["HostConfig"]["Mounts"] == [
        {
            "Type": "volume",
            "Source": "9fe5e6_demo_prod_web_data",
            "Target": "/data",
            "VolumeOptions": {"Labels": {"deployer.name": "9fe5e6_demo_prod_web", "deployer.volume": "data"}},
        }
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_its_kind_docker_is_told_of_no_option_that_it_is_not_told_of_a_web_container(kind: str) -> None:
    body = told(command=("serve", "--now"), **KINDS[kind])
    assert set(body) == {*GOLDEN, "Cmd"}
    assert set(body["HostConfig"]) == set(GOLDEN["HostConfig"])
    assert body["Cmd"] == ["serve", "--now"]


@pytest.mark.parametrize(
    ("kind", "policy", "grace"),
    [
        ("web", "unless-stopped", 10),
        ("tcp", "unless-stopped", 45),
        ("worker", "unless-stopped", 45),
        ("scheduled", "no", 45),
    ],
)
def test_only_a_scheduled_container_is_not_started_again_and_only_requests_end_before_a_stop(
    kind: str, policy: str, grace: int
) -> None:
    body = told(drain_seconds=45, **KINDS[kind])
    assert (body["HostConfig"]["RestartPolicy"], body["StopTimeout"]) == ({"Name": policy}, grace)


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_and_what_belongs_to_it_are_read_back(kind: str) -> None:
    wanted = spec(1, IMAGE, **KINDS[kind])
    found = instances.parse(PLACE, {**INSPECTED, "Config": {"Labels": told(**KINDS[kind])["Labels"]}})
    assert (found.kind, found.port, found.hosts) == (wanted.kind, wanted.port, wanted.hosts)
    assert (found.exclusive, found.steady_seconds) == (wanted.exclusive, wanted.steady_seconds)
    assert (found.cron, found.volumes, found.stops_first) == (wanted.cron, wanted.volumes, wanted.stops_first)


def test_a_container_from_before_there_were_kinds_is_a_web_container() -> None:
    old = {key: value for key, value in GOLDEN["Labels"].items() if key != "deployer.kind"}
    found = instances.parse(PLACE, {**INSPECTED, "Config": {"Labels": old}})
    assert (found.kind, found.port, found.cron, found.volumes) == ("web", 8080, None, ())
    assert not found.in_turn


@pytest.mark.parametrize(
    ("full_name", "role"),
    [
        (NAME, "current"),
        (f"{NAME}.candidate", "candidate"),
        (f"{NAME}.previous", "previous"),
        (f"{NAME}.parked", "parked"),
        (f"{NAME}.kept-{release(1)}", "kept"),
    ],
)
def test_what_was_told_is_read_back_from_dockers_description(full_name: str, role: str) -> None:
    found = instances.parse(PLACE, {**INSPECTED, "Name": f"/{full_name}"})
    assert (found.role, found.full_name, found.release) == (role, full_name, release(1))
    assert (found.hosts, found.port, found.address) == (WANTED.hosts, 8080, "172.30.0.16")
    assert (found.health, found.drain_seconds, found.memory_mib) == (WANTED.health, 7, 64)
    assert (found.restarts, found.exit_code, found.running) == (2, 137, False)
    assert found.started_at is not None
    assert found.started_at.isoformat() == "2026-11-24T01:02:03.123456+00:00"
    assert found.created_at is not None
    assert found.created_at.isoformat() == "2026-11-24T01:02:00+00:00"
    assert found.pinned == instances.pinned(WANTED)


def test_a_specification_is_pinned_by_all_of_it_but_the_values_of_its_secrets() -> None:
    other = WANTED.model_copy(update={"secrets": {"PASSWORD": "renewed"}})
    assert instances.pinned(other) == instances.pinned(WANTED)
    changes: list[dict[str, object]] = [
        {"secrets": {}},
        {"memory_mib": 65},
        {"command": ("x",)},
        {"hosts": ()},
        {"health": wire.Health()},
    ]
    for change in changes:
        assert instances.pinned(WANTED.model_copy(update=change)) != instances.pinned(WANTED)


def test_the_first_free_address_is_given_and_a_full_network_is_told() -> None:
    small = Place("test", subnet="10.9.0.0/27")
    assert instances.free_address(small, []) == "10.9.0.16"
    assert instances.free_address(small, ["10.9.0.16", "10.9.0.18"]) == "10.9.0.17"
    with pytest.raises(EngineError, match="No address is free"):
        instances.free_address(small, [f"10.9.0.{number}" for number in range(16, 31)])


@pytest.mark.parametrize(
    ("tags", "goes"),
    [
        ((), True),
        ((f"deployer/{NAME}:{release(1)}",), True),
        ((f"deployer/{NAME}:{release(1)}", "redis:7"), True),
        (("redis:7",), False),
        ((f"elsewhere/{NAME}:{release(1)}",), False),
        ((f"deployer/{NAME}:{release(1)}", instances.BASE_TAG), False),
    ],
)
def test_an_image_may_go_when_it_has_no_tag_or_a_release_here_ran_it_but_never_the_base_of_a_snapshot(
    tags: tuple[str, ...], goes: bool
) -> None:
    image = wire.Image(id="sha256:0", layers=(), tags=tags, size=0)
    assert instances.may_go("deployer", image) is goes
