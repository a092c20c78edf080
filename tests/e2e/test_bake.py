"""A real Debian machine is baked over SSH, sealed, and made into a droplet that starts under its boot key."""

from __future__ import annotations

import io
import socket
import ssl
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

import agent
from agent import client, keys, wire
from agent.client import AgentClient
from fleet.errors import PermanentError
from tasks import builds, uploads
from tasks.bake import BakeReport, bake, seal
from tasks.bake.shell import answers, connect
from tasks.bake.steps import INSTALL
from tasks.bake.verify import WALL
from tasks.userdata import KeyPair, bake_user_data, droplet_user_data, new_key_pair
from tests.e2e.bake_machine import Machine, eventually, fresh_image, machine, snapshot
from tests.fakes.stock import tar

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

NAME = "demo-prod-3f9a1c"
TOKEN = "a canary token"
BOOT = keys.boot_secret(TOKEN, NAME)
CANARY = "canary-81c3f0-of-a-build-secret"
BUSYBOX = Path("/usr/bin/busybox")
BASE = b"FROM scratch\nCOPY busybox /busybox\n"
READS_SECRET = b"""FROM local/base:latest
RUN --mount=type=secret,id=KEY ["/busybox", "cat", "/run/secrets/KEY"]
"""
FILLS = BASE + b'RUN ["/busybox", "dd", "if=/dev/zero", "of=/large", "bs=1M", "count=200"]\n'
METADATA = "169.254.169.254"


@dataclass(frozen=True)
class Baked:
    """A baked machine, the keys of its one SSH contact, and what the two bakes reported."""

    machine: Machine
    key: KeyPair
    host_key: KeyPair
    first: BakeReport
    again: BakeReport


def quiet(line: str) -> None:
    """Takes no interest in progress."""


@pytest.fixture(scope="module")
def baked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Baked]:
    key, host_key = new_key_pair("bake"), new_key_pair("host")
    seed = tmp_path_factory.mktemp("bake") / "seed"
    with machine(fresh_image(), bake_user_data(key.public, host_key), seed) as fresh:
        reports = [bake.fn(fresh.address, key, host_key.public, quiet) for _ in range(2)]
        yield Baked(fresh, key, host_key, *reports)


@pytest.fixture(scope="module")
def droplet(baked: Baked, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    seal.fn(baked.machine.address, baked.key, baked.host_key.public, quiet)
    seed = tmp_path_factory.mktemp("droplet") / "seed"
    with snapshot(baked.machine) as (image, volume), machine(image, droplet_user_data(NAME, BOOT), seed, volume) as one:
        eventually("the agent is active", lambda: one.run("systemctl", "is-active", "deployer-agent")[0] == 0)
        yield one


def test_a_bake_says_its_steps_and_versions(baked: Baked) -> None:
    assert set(baked.first.steps) == {step.name for phase in INSTALL for step in phase}
    assert baked.first.versions.agent == agent.__version__
    assert baked.first.versions.docker.startswith("20.10.")


def test_baking_twice_gives_the_same_base(baked: Baked) -> None:
    assert baked.again.versions == baked.first.versions
    assert baked.machine.text("systemctl", "is-system-running") == "running"


def test_another_host_key_is_refused_before_a_login(baked: Baked) -> None:
    with pytest.raises(PermanentError, match="another machine answers"):
        connect(baked.machine.address, baked.key.private, new_key_pair("other").public, quiet, timeout=10)


def test_another_key_may_not_log_in(baked: Baked) -> None:
    with pytest.raises(PermanentError, match="does not accept the bake key"):
        connect(baked.machine.address, new_key_pair("other").private, baked.host_key.public, quiet, timeout=10)


def test_a_command_that_fails_is_shown_with_its_last_lines(baked: Baked) -> None:
    with (
        connect(baked.machine.address, baked.key.private, baked.host_key.public, quiet) as shell,
        pytest.raises(PermanentError, match=r"exit code 2\.\s+ls: cannot access '/none; id'"),
    ):
        shell.run("ls", "/none; id")


def test_the_agent_waits_for_a_name_on_the_base(baked: Baked) -> None:
    assert baked.machine.run("systemctl", "is-active", "deployer-agent")[1].strip() == "inactive"


def test_the_agent_answers_with_the_certificate_of_the_boot_key(droplet: Machine) -> None:
    trusted = ssl.create_default_context(cadata=keys.identity(BOOT, NAME).certificate.decode())
    with httpx.Client(verify=trusted) as http:
        reply = http.get(f"https://{droplet.address}:9999/ping", extensions={"sni_hostname": NAME})
    assert reply.json()["version"] == agent.__version__


def test_nginx_refuses_a_name_it_does_not_serve(droplet: Machine) -> None:
    eventually("nginx is active", lambda: droplet.run("systemctl", "is-active", "nginx")[0] == 0)
    assert httpx.get(f"http://{droplet.address}/", headers={"Host": "nobody.example.test"}).status_code == 421


def test_nginx_shows_the_edge_a_certificate_made_on_the_droplet(droplet: Machine) -> None:
    shown = ssl.get_server_certificate((droplet.address, 443))
    assert shown.split() == droplet.text("cat", "/var/lib/deployer/tls/certificate.pem").split()


def test_nginx_comes_back_after_it_was_killed(droplet: Machine) -> None:
    first = droplet.text("systemctl", "show", "--value", "--property=MainPID", "nginx")
    droplet.text("kill", "-9", first)
    eventually(
        "nginx runs again",
        lambda: (
            droplet.text("systemctl", "show", "--value", "--property=MainPID", "nginx") not in ("0", first)
            and droplet.run("systemctl", "is-active", "nginx")[0] == 0
        ),
    )
    assert httpx.get(f"http://{droplet.address}/").status_code == 421


def test_the_agent_may_change_only_its_own_folders(droplet: Machine) -> None:
    agent_pid = droplet.text("systemctl", "show", "--value", "--property=MainPID", "deployer-agent")
    options = droplet.text("findmnt", "--task", agent_pid, "--noheadings", "--output", "OPTIONS", "/")
    assert "ro" in options.split(",")
    state = droplet.text("stat", "--format=%a %U", "/var/lib/deployer", "/run/deployer", "/etc/deployer/droplet")
    assert state.splitlines() == ["700 root", "700 root", "644 root"]


def test_ssh_is_closed_for_ever(droplet: Machine) -> None:
    assert not answers(droplet.address)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((droplet.address, 22), timeout=3)
    assert droplet.run("systemctl", "is-enabled", "ssh.service")[1].strip() == "masked"


def test_no_container_reaches_the_metadata(droplet: Machine) -> None:
    rule = ("DOCKER-USER", "-d", METADATA, "-j", "DROP")
    assert droplet.run("iptables", "-C", *rule)[0] == 0
    droplet.text("systemctl", "restart", "docker")
    assert droplet.run("iptables", "-C", *rule)[0] == 0
    first = droplet.text("iptables", "-S", "DOCKER-USER").splitlines()[1]
    assert first == f"-A DOCKER-USER -d {METADATA}/32 -j DROP"


def test_no_container_reaches_the_agent(droplet: Machine) -> None:
    for rule in WALL:
        assert droplet.run("iptables", "-C", *rule)[0] == 0
    droplet.text("systemctl", "restart", "docker")
    walls = droplet.text("iptables", "-S", "INPUT").splitlines()
    assert [line.split()[3] for line in walls if "--dport 9999" in line] == ["br-+", "docker0"]


@contextmanager
def controller(droplet: Machine) -> Iterator[AgentClient]:
    """The agent under its own secret, as a flow reaches it."""
    with client.connect(keys.Ring(TOKEN), NAME, droplet.address) as made:
        yield made


def build(agent_client: AgentClient, order: wire.Build, files: dict[str, bytes]) -> list[wire.BuildEvent]:
    """A context sent and built."""
    digest = uploads.send(agent_client, lambda: iter([tar(files)]), NAME, quiet)
    assert digest
    return list(agent_client.build_upload(digest, order))


def test_an_agent_in_its_cage_builds_on_its_base_with_a_secret_that_stays_nowhere(droplet: Machine) -> None:
    with controller(droplet) as made:
        base = build(made, wire.Build(tag="local/base:latest"), {"Dockerfile": BASE, "busybox": BUSYBOX.read_bytes()})
        assert base[-1].image, base
        order = wire.Build(tag="service:latest", secrets={"KEY": CANARY})
        events = build(made, order, {"Dockerfile": READS_SECRET})
    assert events[-1].image, events
    assert events[-1].image.layers[:1] == base[-1].image.layers
    said = [event.line for event in events if event.line]
    assert any("…" in line for line in said), said
    assert not any(CANARY in line for line in said)
    history = droplet.text("docker", "history", "--no-trunc", "--format={{.CreatedBy}}", "service:latest")
    assert "--mount=type=secret,id=KEY" in history or "/busybox" in history
    assert CANARY not in history
    assert droplet.run("grep", "-rlF", "--", CANARY, "/etc", "/root", "/var", "/run")[1].strip() == ""


def test_an_agents_memory_stays_flat_while_a_large_context_comes(droplet: Machine) -> None:
    before = peak_mib(droplet)
    with controller(droplet) as made, tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w") as packed:
            dockerfile, large = tarfile.TarInfo("Dockerfile"), tarfile.TarInfo("large")
            dockerfile.size, large.size = len(b"FROM scratch\nCOPY large /\n"), 400 << 20
            packed.addfile(dockerfile, io.BytesIO(b"FROM scratch\nCOPY large /\n"))
            with Path("/dev/zero").open("rb") as zeros:
                packed.addfile(large, zeros)
        digest = uploads.send(made, uploads.of_file(file), NAME, quiet)
        assert digest
        assert list(made.build_upload(digest, wire.Build(tag="large:latest")))[-1].image
    assert peak_mib(droplet) - before < 24
    assert droplet.text("find", "/var/lib/deployer/uploads", "-type", "f") == ""
    droplet.text("docker", "rmi", "large:latest")


def test_a_disk_that_fills_up_while_it_builds_leaves_no_image_and_says_so(droplet: Machine) -> None:
    droplet.text("systemctl", "stop", "docker.socket", "docker")
    droplet.text("mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", "/var/lib/docker")
    try:
        start_docker(droplet)
        with controller(droplet) as made:
            files = {"Dockerfile": FILLS, "busybox": BUSYBOX.read_bytes()}
            events = build(made, wire.Build(tag="local/base:latest"), files)
        assert events[-1].error
        assert any(builds.FULL in f"{one.line} {one.error}".lower() for one in events), events
        assert droplet.run("docker", "image", "inspect", "local/base:latest")[0] == 1
        assert droplet.text("docker", "ps", "--all", "--quiet") == ""
    finally:
        droplet.text("systemctl", "stop", "docker.socket", "docker")
        droplet.text("umount", "/var/lib/docker")
        start_docker(droplet)
    assert droplet.run("docker", "image", "inspect", "local/base:latest")[0] == 0


def start_docker(droplet: Machine) -> None:
    """Starts it however often it was started of late."""
    droplet.text("systemctl", "reset-failed", "docker.socket", "docker.service")
    droplet.text("systemctl", "start", "docker")


def peak_mib(droplet: Machine) -> int:
    """The most memory that the agent's process ever had."""
    pid = droplet.text("systemctl", "show", "--value", "--property=MainPID", "deployer-agent")
    return int(droplet.text("grep", "VmHWM", f"/proc/{pid}/status").split()[1]) >> 10


def test_a_snapshot_carries_no_key_and_no_identity_of_the_bake(baked: Baked, droplet: Machine) -> None:
    body = baked.host_key.private.splitlines()[2]
    public = baked.key.public.split()[1]
    for canary in (body, public):
        assert droplet.run("grep", "-rlF", "--", canary, "/etc", "/root", "/home", "/opt", "/var")[1].strip() == ""
    assert droplet.run("sh", "-c", "ls -A /root/.bash_history /var/lib/apt/lists/*")[1].count("No such file") == 2


def test_no_unit_fails_on_a_droplet(droplet: Machine) -> None:
    assert droplet.text("systemctl", "list-units", "--failed", "--plain", "--no-legend") == ""
