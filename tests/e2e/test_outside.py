"""What the internet, the VPC and a stranger get from a droplet that serves."""

from __future__ import annotations

import contextlib
import secrets
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from agent import keys, wire
from agent.client import AgentRefused, connect
from fleet.state import Droplet
from tests.e2e.lab import Lab

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

PORTS = (*range(1, 1025), 2375, 2376, 3306, 4243, 5000, 5432, 6379, 8080, 8443, 9999, 27017)
CHUNK = b"x" * 65_536
BODY_BYTES = 300 << 20
MOST_TAKEN = 2 << 20
CONTROLLER, EDGE, ELSEWHERE = "127.0.0.1", "127.76.0.1", "127.99.0.1"


@pytest.fixture
def droplet(lab: Lab) -> Droplet:
    return lab.droplet(lab.droplets()[0])


def secret(lab: Lab, droplet: Droplet) -> str:
    return keys.droplet_secret(lab.tokens["digitalocean"], droplet.name)


def trusting(lab: Lab, droplet: Droplet) -> ssl.SSLContext:
    """A context that accepts the droplet's own certificate alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=keys.identity(secret(lab, droplet), droplet.name).certificate.decode())
    return context


def get(lab: Lab, droplet: Droplet, address: str, path: str, **headers: str) -> httpx.Response:
    with httpx.Client(verify=trusting(lab, droplet), trust_env=False) as client:
        url = f"https://{address}:{wire.PORT}{path}"
        return client.get(url, headers=headers, extensions={"sni_hostname": droplet.name})


def resident(lab: Lab, droplet: Droplet) -> int:
    """The agent's memory in bytes."""
    with connect(keys.Ring(lab.tokens["digitalocean"]), droplet.name, str(droplet.public_address)) as agent:
        return agent.node().agent_rss


def is_open(source: str, address: str, port: int) -> bool:
    with contextlib.closing(socket.socket()) as probe:
        probe.settimeout(2)
        probe.bind((source, 0))
        return probe.connect_ex((address, port)) == 0


@pytest.mark.parametrize(
    ("source", "found"), [(CONTROLLER, [9999]), (EDGE, [80, 443]), (ELSEWHERE, [])], ids=["controller", "edge", "other"]
)
def test_a_port_scan_finds_what_is_meant_for_its_origin_alone(droplet: Droplet, source: str, found: list[int]) -> None:
    with ThreadPoolExecutor(128) as pool:
        answers = pool.map(lambda port: is_open(source, str(droplet.public_address), port), PORTS)
        assert [port for port, is_there in zip(PORTS, answers, strict=True) if is_there] == found


def test_a_neighbour_in_the_vpc_without_a_key_gets_401(lab: Lab, droplet: Droplet) -> None:
    reply = get(lab, droplet, str(droplet.private_address), "/node")
    assert (reply.status_code, reply.json()["code"]) == (401, "unauthorized")


def test_a_large_body_without_a_key_is_refused_while_the_agents_memory_stays_flat(lab: Lab, droplet: Droplet) -> None:
    before, sent = resident(lab, droplet), 0
    head = f"POST /images/load HTTP/1.1\r\nHost: {droplet.name}\r\nContent-Length: {BODY_BYTES}\r\n\r\n"
    with contextlib.closing(socket.socket()) as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, len(CHUNK))
        plain.settimeout(20)
        # By the VPC, where nothing between us and the agent takes bytes for it.
        plain.connect((str(droplet.private_address), wire.PORT))
        with trusting(lab, droplet).wrap_socket(plain, server_hostname=droplet.name) as tls:
            tls.sendall(head.encode())
            with contextlib.suppress(OSError):
                while sent < BODY_BYTES:
                    tls.sendall(CHUNK)
                    sent += len(CHUNK)
    assert sent < MOST_TAKEN
    assert resident(lab, droplet) < before + (8 << 20)


def test_the_agent_needs_less_memory_than_its_budget(lab: Lab, droplet: Droplet) -> None:
    assert resident(lab, droplet) < 80 << 20


def test_a_key_in_the_query_is_refused_and_no_log_holds_it(lab: Lab, droplet: Droplet) -> None:
    canary = secrets.token_hex(32)
    reply = get(lab, droplet, str(droplet.public_address), f"/node?do_token={canary}")
    assert reply.status_code == 400
    machine = lab.machine(droplet.name)
    assert b"deployer-agent" in machine.exec_run(["journalctl", "--no-pager", "--unit=deployer-agent"]).output
    code, _ = machine.exec_run(["grep", "-rqF", canary, "/var/log", "/run/log", "/var/lib/deployer"])
    assert canary.encode() not in machine.exec_run(["journalctl", "--no-pager"]).output
    assert code == 1


def test_plain_http_is_refused(droplet: Droplet) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://{droplet.public_address}:{wire.PORT}/ping", trust_env=False)


def test_a_droplet_with_another_certificate_is_refused_before_a_key_is_sent(lab: Lab, droplet: Droplet) -> None:
    with (
        pytest.raises(AgentRefused, match="another certificate"),
        connect(keys.Ring("another token"), droplet.name, str(droplet.public_address)),
    ):
        pytest.fail("it was trusted")


def test_no_two_droplets_of_a_snapshot_share_a_key_or_an_identity(lab: Lab) -> None:
    files = ("/etc/machine-id", "/var/lib/deployer/tls/certificate.pem", "/var/lib/deployer/secret")
    first, second = ([lab.inside(name, "cat", file) for file in files] for name in lab.droplets())
    assert all(first)
    assert not set(first) & set(second)
