"""The registry with the host's real engine, and with a second one that knows it as its mirror only."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import docker
import pytest
from docker import DockerClient
from docker.models.containers import Container

from sandbox.registry import PROGRAM, Registry, RegistryError
from tests.contract.sandbox.cloudflare.serving import free_port, until

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def engine() -> Iterator[DockerClient]:
    with contextlib.closing(docker.from_env(timeout=120)) as client:
        yield client


@pytest.fixture(scope="module")
def gateway(engine: DockerClient) -> str:
    """The host's address in Docker's default network."""
    ranges = engine.networks.get("bridge").attrs["IPAM"]["Config"][0]
    return str(ranges.get("Gateway") or next(ip_network(ranges["Subnet"]).hosts()))


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("registry")


@pytest.fixture(scope="module")
def registry(state: Path, engine: DockerClient, gateway: str) -> Iterator[Registry]:
    registry = Registry(state, engine, addresses=[gateway], port=free_port(gateway))
    registry.start()
    yield registry
    registry.stop()


def processes(state: Path) -> set[str]:
    """The registry's processes that serve this state."""
    running = set()
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            arguments = command.read_bytes().decode().split("\0")
            if arguments[0] == PROGRAM and arguments[2].startswith(str(state)):
                running.add(command.parent.name)
    return running


@pytest.fixture(scope="module")
def debian(registry: Registry, engine: DockerClient) -> Iterator[str]:
    """The registry's image on the host's engine, by its id."""
    image = engine.images.pull(f"127.0.0.1:{registry.address.split(':')[1]}/library/debian", "12-slim")
    yield str(image.id)
    engine.images.remove(str(image.id), force=True)


@pytest.fixture
def mirrored(registry: Registry, engine: DockerClient, debian: str) -> Iterator[Container]:
    """A second engine, in a container and so in a network of its own, with the one setting that machines get."""
    drop_in = next(text for path, text in registry.machine_settings().items() if path.endswith("registry.conf"))
    options = drop_in.split("DOCKER_OPTS=")[1].strip().rstrip('"').split()
    container = engine.containers.run(
        debian,
        ["dockerd", "--bridge=none", "--iptables=false", "--storage-driver=vfs", *options],
        detach=True,
        cap_add=["ALL"],
        cap_drop=["SYS_RESOURCE"],
        security_opt=["seccomp=unconfined"],
        volumes=["/usr:/usr:ro", "/sys/fs/cgroup:/sys/fs/cgroup:rw", "/var/lib/docker"],
    )
    try:
        until(lambda: container.exec_run(["docker", "info"]).exit_code == 0, "the second engine answers", 60)
        yield container
    finally:
        container.remove(v=True, force=True)


def test_an_engine_with_the_mirror_pulls_debian_by_its_ordinary_name(mirrored: Container) -> None:
    pulled = mirrored.exec_run(["docker", "pull", "debian:12"])
    assert pulled.exit_code == 0, pulled.output
    listed: Any = mirrored.exec_run(["docker", "images", "--format", "{{.Repository}}:{{.Tag}}"])
    assert listed.output.split() == [b"debian:12"]


def test_the_image_installs_packages_in_a_container(engine: DockerClient, debian: str) -> None:
    script = "apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-aiohttp >/dev/null 2>&1 && "
    script += "python3 -c 'import aiohttp; print(aiohttp.__version__)'"
    output = engine.containers.run(debian, ["sh", "-c", script], remove=True, stderr=False)
    assert output.decode().strip().startswith("3.")


def test_starting_again_pushes_nothing_and_leaves_no_process_behind(
    state: Path, registry: Registry, engine: DockerClient, gateway: str
) -> None:
    registry.stop()
    assert processes(state) == set()
    key = state / "registry" / "image.key"
    written = key.stat().st_mtime_ns
    registry.start()
    assert key.stat().st_mtime_ns == written
    assert len(processes(state)) == 2


def test_what_a_killed_sandbox_left_is_replaced(
    state: Path, registry: Registry, engine: DockerClient, gateway: str
) -> None:
    left = processes(state)
    successor = Registry(state, engine, addresses=[gateway], port=int(registry.address.split(":")[1]))
    successor.start()
    assert left.isdisjoint(processes(state))
    successor.stop()
    registry.stop()
    assert processes(state) == set()
    registry.start()


def test_a_taken_port_is_told(tmp_path: Path, registry: Registry, engine: DockerClient, gateway: str) -> None:
    taken = int(registry.address.split(":")[1])
    with pytest.raises(RegistryError, match=f"127.0.0.1:{taken} is taken"):
        Registry(tmp_path, engine, addresses=[gateway], port=taken).start()


def test_nothing_listens_beyond_the_given_addresses(state: Path, registry: Registry, gateway: str) -> None:
    configured = sorted(path.name for path in (state / "registry").glob("*.json"))
    assert configured == sorted(["127.0.0.1.json", f"{gateway}.json"])
