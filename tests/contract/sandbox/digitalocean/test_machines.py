"""Real machines behind the API: what a droplet is, from its boot to a snapshot of it."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pydo
import pytest

from sandbox.certificates import read_tokens
from tests.contract.sandbox.cloudflare.serving import until
from tests.contract.sandbox.digitalocean.test_firewalls import public, rule

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

PORT = 7300
ROOT = Path(__file__).resolve().parents[4]
USER_DATA = "#cloud-config\nruncmd:\n  - [touch, /root/ran]\n"
DOCKER_FILE = "/var/lib/docker/layer"  # stands for what Docker keeps there
BOOT_SECONDS = 60.0


@dataclass(frozen=True)
class Box:
    """A sandbox of its own with a key to log in with."""

    sdk: Any
    key: Path

    def new(self, **fields: Any) -> dict[str, Any]:
        """A droplet, active and done with its first boot."""
        body = {"region": "nyc3", "size": "s-1vcpu-1gb", "user_data": USER_DATA, **fields}
        body["ssh_keys"] = [one["id"] for one in self.sdk.ssh_keys.list()["ssh_keys"]]
        id = self.sdk.droplets.create(body=body)["droplet"]["id"]
        until(lambda: self.sdk.droplets.get(id)["droplet"]["status"] == "active", "active", BOOT_SECONDS)
        droplet = dict(self.sdk.droplets.get(id)["droplet"])
        # Again and again: the first boot starts sshd anew, and ends whoever is logged in already.
        until(lambda: self.ssh(droplet, "cloud-init status --wait")[0] == 0, "the first boot is done", BOOT_SECONDS)
        return droplet

    def ssh(self, droplet: dict[str, Any], command: str) -> tuple[int, str]:
        """The exit code and output of a command; 255 when there is no way in."""
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "ConnectTimeout=3"]
        flags = [flag for option in options for flag in ("-o", option)]
        words = ["ssh", *flags, "-i", str(self.key), f"root@{public(droplet)}", command]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout

    def act(self, droplet: dict[str, Any], **body: Any) -> None:
        """An action, completed."""
        id = self.sdk.droplet_actions.post(droplet["id"], body=body)["action"]["id"]
        until(lambda: self.sdk.actions.get(id)["action"]["status"] != "in-progress", str(body), BOOT_SECONDS)
        assert self.sdk.actions.get(id)["action"]["status"] == "completed"


def sandbox(command: str, state: Path, seconds: float) -> str:
    """Runs one command of the sandbox; gives what it printed."""
    words = [sys.executable, "-m", "sandbox", command, f"--state={state}", f"--port={PORT}", "--pace=0"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    state = tmp_path_factory.mktemp("sandbox") / "state"
    try:
        sandbox("up", state, 600)
        yield state
    finally:
        sandbox("clean", state, 120)


@pytest.fixture(scope="session")
def box(state: Path) -> Iterator[Box]:
    key = state / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, timeout=20)
    token = read_tokens(state)["digitalocean"]
    with pydo.Client(
        token, endpoint=f"https://localhost:{PORT}", connection_verify=str(state / "ca.pem"), retry_total=0
    ) as sdk:
        sdk.ssh_keys.create(body={"name": "me", "public_key": key.with_suffix(".pub").read_text()})
        yield Box(sdk, key)


@pytest.fixture(scope="session")
def droplet(box: Box) -> dict[str, Any]:
    return box.new(name="first", image="debian-12-x64", tags=["first"])


@pytest.fixture(scope="session")
def copy(box: Box, droplet: dict[str, Any]) -> dict[str, Any]:
    """A droplet from a snapshot of the first one."""
    box.ssh(droplet, f"mkdir -p /var/lib/docker && echo kept | tee /root/kept {DOCKER_FILE} && sync")
    box.act(droplet, type="snapshot", name="base")
    image = box.sdk.images.list(private=True)["images"][0]["id"]
    return box.new(name="second", image=image)


def test_user_data_has_run_and_no_unit_failed(box: Box, droplet: dict[str, Any]) -> None:
    assert box.ssh(droplet, "ls /root/ran")[0] == 0
    assert box.ssh(droplet, "systemctl list-units --failed --plain --no-legend") == (0, "")


def test_a_machine_is_debian_12_under_the_droplets_name(box: Box, droplet: dict[str, Any]) -> None:
    _, said = box.ssh(droplet, "hostname; . /etc/os-release; echo $ID $VERSION_ID; ps -o comm= 1")
    assert said.split() == ["first", "debian", "12", "systemd"]


def test_droplets_reach_each_other_in_their_vpc(box: Box, droplet: dict[str, Any], copy: dict[str, Any]) -> None:
    private = next(one["ip_address"] for one in droplet["networks"]["v4"] if one["type"] == "private")
    code, said = box.ssh(copy, f"timeout 5 bash -c 'head -c 7 < /dev/tcp/{private}/22'")
    assert (code, said) == (0, "SSH-2.0")


def test_a_snapshot_holds_the_disk_and_dockers_data(box: Box, copy: dict[str, Any]) -> None:
    assert box.ssh(copy, f"cat /root/kept {DOCKER_FILE}")[1].split() == ["kept", "kept"]


def test_a_droplet_from_a_snapshot_is_another_machine(box: Box, droplet: dict[str, Any], copy: dict[str, Any]) -> None:
    identity = "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub /var/lib/cloud/data/instance-id; hostname"
    first, second = box.ssh(droplet, identity)[1].splitlines(), box.ssh(copy, identity)[1].splitlines()
    assert len(first) == len(second) == 4
    assert not set(first) & set(second)


def test_a_snapshot_carries_no_user_data(box: Box, copy: dict[str, Any], state: Path) -> None:
    images = docker.from_env().images.list(filters={"reference": "deployer-sandbox/snapshot"})
    mine = [image for image in images if any("-200000001" in tag for tag in image.tags)]
    container = docker.from_env().containers.create(mine[0], "true")
    try:
        with pytest.raises(docker.errors.NotFound):
            container.get_archive("/var/lib/cloud/seed/nocloud/user-data")
    finally:
        container.remove()


def test_power_goes_off_and_comes_back(box: Box, droplet: dict[str, Any]) -> None:
    box.act(droplet, type="power_off")
    with pytest.raises(TimeoutError):
        socket.create_connection((public(droplet), 22), timeout=1)
    box.act(droplet, type="power_on")
    until(lambda: box.ssh(droplet, "true")[0] == 0, "sshd answers again", BOOT_SECONDS)


def test_a_firewall_closes_ssh(box: Box, droplet: dict[str, Any]) -> None:
    body = {"name": "fw", "tags": ["first"], "inbound_rules": [rule("80", "0.0.0.0/0")]}
    firewall = box.sdk.firewalls.create(body=body)["firewall"]["id"]
    until(lambda: box.sdk.firewalls.get(firewall)["firewall"]["status"] == "succeeded", "settled")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((public(droplet), 22), timeout=1)
    box.sdk.firewalls.delete(firewall)
    assert box.ssh(droplet, "true")[0] == 0


def test_droplets_are_back_after_down_and_up(box: Box, droplet: dict[str, Any], state: Path) -> None:
    sandbox("down", state, 120)
    assert docker.from_env().containers.list(filters={"name": str(droplet["id"])}) == []
    sandbox("up", state, 120)
    until(lambda: box.ssh(droplet, "ls /root/kept")[0] == 0, "sshd answers again", BOOT_SECONDS)
