"""The table of peers, and what the proxy's configuration is made of: typed values and nothing else."""

from __future__ import annotations

import ssl
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agent import keys, wire
from agent.server import instances, peers, peers_conf
from agent.server.errors import Failure
from agent.server.peers_conf import Identity, Site, Target, render
from agent.server.ports import Instance
from fleet import peers as fleet_peers
from tests.fakes.proxy import FakeProxy
from tests.unit.agent.builders import DROPLET, TOKEN, release, spec

SECRET = keys.peer_secret(TOKEN, "demo/prod")
REDIS = "9fe5e6_demo_prod_redis"
QUEUE = "9fe5e6_demo_prod_queue"
FILES = Identity(Path("/var/lib/deployer/peers/key-1.pem"), Path("/var/lib/deployer/peers/certificate-1.pem"))


def peer(**changes: Any) -> dict[str, Any]:
    """Redis, on this droplet."""
    facts = {"service": "redis", "container": REDIS, "virtual": "198.18.3.4", "port": 6379}
    return {**facts, "droplet": DROPLET, "address": "10.110.0.2", **changes}


def queue(**changes: Any) -> dict[str, Any]:
    """Another service, on another droplet."""
    facts = {"service": "queue", "container": QUEUE, "virtual": "198.19.0.9", "port": 4222}
    return {**peer(), **facts, "droplet": "demo-prod-000002", "address": "10.110.0.3", **changes}


def table(*given: dict[str, Any], **changes: Any) -> wire.Peers:
    """A whole table."""
    return wire.Peers.model_validate({"peers": list(given), "secret": SECRET, **changes})


def instance(**changes: Any) -> Instance:
    """Redis' container."""
    made = Instance(
        id="1",
        name=REDIS,
        role="current",
        release=release(1),
        image="sha256:0",
        status="running",
        address="172.30.0.17",
        port=6379,
        hosts=(),
        health=wire.Health(),
        drain_seconds=1,
        memory_mib=16,
    )
    return replace(made, **changes)


class Containers:
    """What runs on the droplet."""

    def __init__(self, *found: Instance) -> None:
        self.found = found

    def instances(self) -> tuple[Instance, ...]:
        return self.found


GOLDEN = """\
# Made by the node agent from the table of peers; a change by hand is lost.
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
user www-data;
worker_processes 2;
pid /run/deployer/peers.pid;
error_log stderr warn;

events {
    worker_connections 8192;
}

stream {
    tcp_nodelay on;
    map_hash_bucket_size 128;
    map_hash_max_size 4096;
    proxy_connect_timeout 5s;
    proxy_timeout 365d;
    proxy_half_close on;
    proxy_socket_keepalive on;
    proxy_ssl_certificate /var/lib/deployer/peers/certificate-1.pem;
    proxy_ssl_certificate_key /var/lib/deployer/peers/key-1.pem;
    proxy_ssl_trusted_certificate /var/lib/deployer/peers/certificate-1.pem;
    proxy_ssl_verify on;
    proxy_ssl_server_name on;
    proxy_ssl_protocols TLSv1.3;

    # redis
    server {
        listen 198.18.3.4:6379 so_keepalive=on;
        allow 127.0.0.0/8;
        allow 172.30.0.0/16;
        allow 198.18.0.0/15;
        deny all;
        proxy_pass 172.30.0.17:6379;
    }

    # queue
    server {
        listen 198.19.0.9:4222 so_keepalive=on;
        allow 127.0.0.0/8;
        allow 172.30.0.0/16;
        allow 198.18.0.0/15;
        deny all;
        proxy_pass 10.110.0.3:9998;
        proxy_ssl on;
        proxy_ssl_name queue.peers.deployer;
    }

    # For the other droplets of the environment; nobody else has the certificate.
    map $ssl_server_name $container {
        default "";
        redis.peers.deployer 172.30.0.17:6379;
    }
    server {
        listen 10.110.0.2:9998 ssl so_keepalive=on;
        ssl_certificate /var/lib/deployer/peers/certificate-1.pem;
        ssl_certificate_key /var/lib/deployer/peers/key-1.pem;
        ssl_client_certificate /var/lib/deployer/peers/certificate-1.pem;
        ssl_verify_client on;
        ssl_protocols TLSv1.3;
        ssl_session_cache off;
        ssl_session_tickets off;
        ssl_handshake_timeout 5s;
        proxy_pass $container;
    }

    # Says which configuration is in use.
    server {
        listen unix:/run/deployer/peers.sock;
        return DIGEST;
    }
}
"""


def rendered(*given: dict[str, Any], here: dict[str, Target] | None = None) -> peers_conf.Configuration:
    found = {REDIS: Target(IPv4Address("172.30.0.17"), 6379)} if here is None else here
    return render(Site(), DROPLET, table(*given).peers, found, FILES)


def test_the_whole_configuration_of_a_droplet() -> None:
    made = rendered(queue(), peer())
    assert made.text == GOLDEN.replace("DIGEST", made.digest)


def test_without_a_container_here_a_service_is_offered_to_nobody() -> None:
    text = rendered(queue(), peer(), here={}).text
    assert "198.18.3.4" not in text
    assert ":9998 ssl" not in text
    assert "198.19.0.9:4222" in text


def test_every_other_configuration_has_another_digest() -> None:
    made = [
        rendered(),
        rendered(peer()),
        rendered(peer(port=6380)),
        rendered(queue()),
        rendered(peer(), here={}),
        rendered(peer(), here={REDIS: Target(IPv4Address("172.30.0.18"), 6379)}),
    ]
    assert len({one.digest for one in made}) == len(made) - 1, (
        "the first and the fifth are the same: nothing is offered"
    )


@pytest.mark.parametrize(
    "bad",
    [
        {"service": "redis; }", "container": REDIS},
        {"service": "redis\n"},
        {"service": "re dis"},
        {"service": "Redis"},
        {"service": "$host"},
        {"service": "redis{"},
        {"service": "redis#"},
        {"service": "localhost", "container": "9fe5e6_demo_prod_localhost"},
        {"service": "other"},
        {"container": "redis"},
        {"container": f"{REDIS};"},
        {"virtual": "198.18.3.4;"},
        {"virtual": "198.18.3.4:80"},
        {"virtual": "198.18.3.4\n"},
        {"virtual": "unix:/run/docker.sock"},
        {"virtual": "::1"},
        {"virtual": "redis"},
        {"port": "6379; return x"},
        {"port": 0},
        {"port": 65536},
        {"port": 80},
        {"port": 443},
        {"port": 9998},
        {"port": 9999},
        {"droplet": "a;b"},
        {"droplet": "../../etc"},
        {"droplet": ""},
        {"address": "10.110.0.2; include /etc/passwd"},
        {"address": "8.8.8.8"},
        {"comment": "extra"},
    ],
    ids=lambda bad: repr(bad)[:60],
)
def test_a_value_that_could_be_more_than_it_is_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        table(peer(**bad))


@given(st.text(max_size=50))
def test_no_text_gets_into_the_configuration_but_a_service_word(text: str) -> None:
    try:
        made = table(peer(service=text, container=f"9fe5e6_demo_prod_{text}"))
    except ValidationError:
        return
    assert set(made.peers[0].service) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


@pytest.mark.parametrize(
    "bad",
    [
        (peer(), peer(virtual="198.18.3.5")),
        (queue(virtual="198.18.3.4"), peer()),
        (peer(), queue()),
    ],
    ids=["a service twice", "an address twice", "out of order"],
)
def test_a_table_that_contradicts_itself_is_refused(bad: tuple[dict[str, Any], ...]) -> None:
    with pytest.raises(ValidationError):
        table(*bad)


@pytest.mark.parametrize("secret", ["", "abc", "A" * 64, "0" * 63, "0" * 64 + "\n"])
def test_a_secret_is_64_hex_digits_and_is_shown_by_nothing(secret: str) -> None:
    with pytest.raises(ValidationError):
        table(peer(), secret=secret)
    assert SECRET not in repr(table(peer())) + str(table(peer()))


def test_what_cannot_be_offered_is_known_alike_on_both_sides() -> None:
    from agent.wire.peers import PEER_LIMIT, PEER_PORT, TAKEN_NAMES, TAKEN_PORTS

    assert (fleet_peers.TAKEN_PORTS, fleet_peers.TAKEN_NAMES) == (TAKEN_PORTS, TAKEN_NAMES)
    assert (fleet_peers.NETWORK, fleet_peers.LIMIT) == (peers.NETWORK, PEER_LIMIT)
    assert {PEER_PORT, wire.PORT} <= TAKEN_PORTS


def made(folder: Path, *found: Instance) -> tuple[peers.Peers, FakeProxy, Containers]:
    proxy, containers = FakeProxy(), Containers(*found)
    return peers.Peers(DROPLET, Site(folder=folder), containers, proxy), proxy, containers


def test_an_address_that_is_not_one_for_services_is_refused(tmp_path: Path) -> None:
    found, proxy, _ = made(tmp_path)
    with pytest.raises(Failure, match=r"10\.0\.0\.1 of redis is not in 198\.18\.0\.0/15") as caught:
        found.replace(table(peer(virtual="10.0.0.1")))
    assert caught.value.status == 422
    assert proxy.applied == []


def test_a_proxy_that_refuses_keeps_the_table_before(tmp_path: Path) -> None:
    found, proxy, _ = made(tmp_path, instance())
    found.replace(table(peer()))
    proxy.refusing = "no"
    with pytest.raises(Failure, match="did not take the table: no"):
        found.replace(table(queue(), peer()))
    assert [one.service for one in found.read().peers] == ["redis"]
    assert found.read().applied


def test_an_agent_that_was_killed_between_proxy_and_table_is_repaired_by_the_same_table(tmp_path: Path) -> None:
    found, proxy, _ = made(tmp_path, instance())
    found.replace(table(peer()))
    kept = (tmp_path / "table.json").read_bytes()
    found.replace(table(queue(), peer()))
    (tmp_path / "table.json").write_bytes(kept)
    assert not found.read().applied
    assert found.replace(table(queue(), peer())).changed
    assert len(proxy.applied) == 2
    assert found.read().applied


@pytest.mark.parametrize(
    ("changes", "offered"),
    [
        ({}, True),
        ({"status": "restarting"}, True),
        ({"status": "exited"}, False),
        ({"status": "exited", "error": "no room"}, True),
        ({"role": "candidate"}, False),
        ({"role": "previous"}, False),
        ({"port": None}, False),
        ({"address": ""}, False),
    ],
)
def test_only_a_current_container_that_should_run_is_offered(changes: dict[str, Any], offered: bool) -> None:
    assert (REDIS in peers.running([instance(**changes)])) == offered


def test_the_proxy_follows_only_containers_of_the_table_that_are_here(tmp_path: Path) -> None:
    found, proxy, containers = made(tmp_path, instance())
    assert not found.follow()
    found.replace(table(queue(), peer()))
    containers.found = (instance(address="172.30.0.18"),)
    assert not found.follow(QUEUE)
    assert not found.follow("9fe5e6_demo_prod_web")
    assert found.follow(REDIS)
    assert "172.30.0.18:6379" in proxy.applied[-1].text
    assert not found.follow(REDIS)


def test_a_proxy_that_does_not_run_is_started_by_following(tmp_path: Path) -> None:
    found, proxy, _ = made(tmp_path, instance())
    found.replace(table(peer()))
    proxy.down = True
    assert not found.read().applied
    assert found.follow()
    assert found.read().applied


def test_a_new_container_knows_all_names_but_its_own(tmp_path: Path) -> None:
    assert peers.names(tmp_path) == {}
    made(tmp_path)[0].replace(table(queue(), peer()))
    assert peers.names(tmp_path) == {"queue": "198.19.0.9", "redis": "198.18.3.4"}
    assert peers.names(tmp_path, "redis") == {"queue": "198.19.0.9"}


def test_the_names_are_part_of_a_containers_configuration_and_not_of_its_specification() -> None:
    place = instances.Place(DROPLET)
    wanted = spec(1, "sha256:" + "0" * 64)
    body = instances.configuration(place, REDIS, wanted, "172.30.0.16", None, {"queue": "198.19.0.9"})
    plain = instances.configuration(place, REDIS, wanted, "172.30.0.16", None)
    assert body["HostConfig"]["ExtraHosts"] == ["queue:198.19.0.9"]
    assert plain["HostConfig"]["ExtraHosts"] == []
    assert body["Labels"] == plain["Labels"]


def test_the_secret_of_an_environment_is_its_own() -> None:
    others = {keys.peer_secret(TOKEN, "demo/staging"), keys.peer_secret("another token", "demo/prod")}
    assert SECRET not in others | {keys.droplet_secret(TOKEN, "demo/prod"), keys.boot_secret(TOKEN, "demo/prod")}
    assert keys.peer_identity(SECRET) == keys.peer_identity(SECRET)


def test_the_certificate_is_good_for_every_service_of_the_environment_and_for_no_other_name(tmp_path: Path) -> None:
    identity = keys.peer_identity(SECRET)
    names = x509.load_pem_x509_certificate(identity.certificate).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.DNSName) == ["*.peers.deployer"]
    longest = "a" * 38 + "-"
    assert [accepts(identity, tmp_path, f"{word}.peers.deployer") for word in ("redis", "x", longest)] == [True] * 3
    assert not accepts(identity, tmp_path, "redis.example.com")


def accepts(identity: keys.Identity, folder: Path, name: str) -> bool:
    """Whether a client that asks for this name believes a server with this identity."""
    (folder / "pair.pem").write_bytes(identity.key + identity.certificate)
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server.load_cert_chain(folder / "pair.pem")
    client.load_verify_locations(cadata=identity.certificate.decode())
    (c_in, c_out), (s_in, s_out) = [(ssl.MemoryBIO(), ssl.MemoryBIO()) for _ in range(2)]
    near = client.wrap_bio(c_in, c_out, server_hostname=name)
    far = server.wrap_bio(s_in, s_out, server_side=True)
    for _ in range(4):
        for side, sent, other in ((near, c_out, s_in), (far, s_out, c_in)):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLCertVerificationError:
                return False
            other.write(sent.read())
    return near.version() == "TLSv1.3"
