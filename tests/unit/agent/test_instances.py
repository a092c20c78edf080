"""What Docker is told of a container, whole and literal."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent import wire
from agent.server import instances
from agent.server.instances import Place
from agent.server.ports import EngineError
from tests.unit.agent.builders import NAME, release, spec

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
GOLDEN = {
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
        "Mounts": [{"Type": "bind", "Source": "/run/x", "Target": "/run/secrets", "ReadOnly": True}],
    },
    "NetworkingConfig": {"EndpointsConfig": {"deployer": {"IPAMConfig": {"IPv4Address": "172.30.0.16"}}}},
}


def test_docker_is_told_exactly_this() -> None:
    assert instances.configuration(PLACE, NAME, WANTED, "172.30.0.16", Path("/run/x")) == GOLDEN


def test_no_secret_is_in_it_and_without_secrets_nothing_is_mounted() -> None:
    assert "s3cret" not in str(instances.configuration(PLACE, NAME, WANTED, "172.30.0.16", Path("/run/x")))
    assert instances.configuration(PLACE, NAME, WANTED, "172.30.0.16", None)["HostConfig"]["Mounts"] == []


@pytest.mark.parametrize(
    ("full_name", "role"),
    [(NAME, "current"), (f"{NAME}.candidate", "candidate"), (f"{NAME}.previous", "previous")],
)
def test_what_was_told_is_read_back_from_dockers_description(full_name: str, role: str) -> None:
    inspected = {
        "Id": "1" * 64,
        "Name": f"/{full_name}",
        "RestartCount": 2,
        "Config": {"Labels": GOLDEN["Labels"]},
        "State": {"Status": "exited", "ExitCode": 137, "Error": "", "StartedAt": "2026-11-24T01:02:03.123456789Z"},
    }
    found = instances.parse(PLACE, inspected)
    assert (found.role, found.full_name, found.release) == (role, full_name, release(1))
    assert (found.hosts, found.port, found.address) == (WANTED.hosts, 8080, "172.30.0.16")
    assert (found.health, found.drain_seconds, found.memory_mib) == (WANTED.health, 7, 64)
    assert (found.restarts, found.exit_code, found.running) == (2, 137, False)
    assert found.started_at is not None
    assert found.started_at.isoformat() == "2026-11-24T01:02:03.123456+00:00"
    assert found.pinned == instances.pinned(WANTED)


def test_a_specification_is_pinned_by_all_of_it_but_the_values_of_its_secrets() -> None:
    other = WANTED.model_copy(update={"secrets": {"PASSWORD": "renewed"}})
    assert instances.pinned(other) == instances.pinned(WANTED)
    changes: list[dict[str, object]] = [{"secrets": {}}, {"memory_mib": 65}, {"hosts": ()}, {"health": wire.Health()}]
    for change in changes:
        assert instances.pinned(WANTED.model_copy(update=change)) != instances.pinned(WANTED)


def test_the_first_free_address_is_given_and_a_full_network_is_told() -> None:
    small = Place("test", subnet="10.9.0.0/27")
    assert instances.free_address(small, []) == "10.9.0.16"
    assert instances.free_address(small, ["10.9.0.16", "10.9.0.18"]) == "10.9.0.17"
    with pytest.raises(EngineError, match="No address is free"):
        instances.free_address(small, [f"10.9.0.{number}" for number in range(16, 31)])
