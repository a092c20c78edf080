"""What comes in before and beside HTTP: TLS, certificates, floods of bytes."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from starlette.responses import JSONResponse

from agent import keys, wire
from agent.client import AgentProblem, AgentRefused, AgentUnreachable, connect
from agent.client.transport import options
from agent.server import facts
from agent.server.settings import MIB
from tests.contract.agent.serving import Droplet, droplet, serving
from tests.contract.sandbox.cloudflare.serving import free_port
from tests.unit.agent.builders import DROPLET, LIMITS, NAME, TOKEN, settings

FLOOD = 300 * MIB
ACCEPTED = 2 * MIB
GROWTH = 8 * MIB


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Droplet]:
    with droplet(tmp_path_factory.mktemp("agent")) as running:
        yield running


@pytest.mark.parametrize("key", ["", f"{wire.KEY_HEADER}: {'f' * 64}\r\n"])
@pytest.mark.parametrize("path", ["/images/load", "/images/build?tag=a", f"/containers/{NAME}/candidate", "/nothing"])
def test_a_flood_without_the_key_is_refused_before_it_is_in(lab: Droplet, path: str, key: str) -> None:
    before, sent, piece = facts.resident_bytes(), 0, b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    with closing(lab.raw()) as tls:
        tls.sendall(f"POST {path} HTTP/1.1\r\nHost: a\r\n{key}Transfer-Encoding: chunked\r\n\r\n".encode())
        with suppress(OSError):  # cut off in the middle is what shall happen
            while sent < FLOOD:
                tls.sendall(piece)
                sent += len(piece)
    assert sent < ACCEPTED
    assert facts.resident_bytes() - before < GROWTH


def test_a_refused_upload_still_gets_its_answer(lab: Droplet) -> None:
    with closing(lab.raw()) as tls:
        tls.sendall(b"POST /images/load HTTP/1.1\r\nHost: a\r\nContent-Length: 300000000\r\n\r\n")
        head, _, body = b"".join(iter(lambda: tls.recv(65536), b"")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 401")
    assert b"connection: close" in head
    assert json.loads(body)["code"] == "unauthorized"


@pytest.mark.parametrize("chunked", [False, True])
def test_a_document_above_its_limit_is_too_large(lab: Droplet, chunked: bool) -> None:
    body = b"x" * (lab.settings.limits.json_bytes + 1)
    with lab.keyed() as http:
        reply = http.put("/routes", content=iter([body]) if chunked else body)
        assert (reply.status_code, reply.json()["code"]) == (413, "too_large")
        assert http.get("/routes").status_code == 200


def test_plain_http_is_not_answered(lab: Droplet) -> None:
    with socket.create_connection(("127.0.0.1", lab.port), 5) as plain:
        plain.sendall(b"GET /ping HTTP/1.1\r\nHost: a\r\n\r\n")
        with suppress(ConnectionError):
            assert b"HTTP/" not in plain.recv(4096)


def test_nothing_older_than_tls_1_3_is_spoken(lab: Droplet) -> None:
    context: ssl.SSLContext = ssl.create_default_context(
        cadata=keys.identity(lab.settings.secret, DROPLET).certificate.decode()
    )
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection(("127.0.0.1", lab.port), 5) as plain, pytest.raises(ssl.SSLError):
        context.wrap_socket(plain, server_hostname=DROPLET)


def test_the_private_key_is_not_left_on_the_disk(lab: Droplet) -> None:
    assert [path.name for path in lab.settings.run.iterdir()] == ["agent.pem"]


@pytest.mark.parametrize("other", ["another droplet", "another token"])
def test_an_end_with_another_certificate_is_refused_and_hears_no_key(tmp_path: Path, other: str) -> None:
    """The other end is a real TLS server that keeps whatever it is told."""
    secret = keys.droplet_secret(*(("another", DROPLET) if other == "another token" else (TOKEN, "demo-prod-other")))
    heard: list[bytes] = []
    identity, context = keys.identity(secret, DROPLET), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (tmp_path / "key.pem").write_bytes(identity.key)
    (tmp_path / "cert.pem").write_bytes(identity.certificate)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    contacts = 3  # under the droplet's secret, under the boot secret, and once more, in case it was enrolled meanwhile

    def listen(server: socket.socket) -> None:
        for _ in range(contacts):
            plain, _ = server.accept()
            plain.settimeout(5)
            with plain, suppress(OSError), context.wrap_socket(plain, server_side=True) as tls:
                heard.append(tls.recv(65536))

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=listen, args=(server,))
        thread.start()
        with pytest.raises(AgentRefused), connect(keys.Ring(TOKEN), DROPLET, *server.getsockname()):
            pass
        thread.join(10)
        assert not thread.is_alive()
    assert b"".join(heard) == b""


def test_a_port_where_nobody_listens_is_unreachable_not_refused() -> None:
    with pytest.raises(AgentUnreachable), connect(keys.Ring(TOKEN), DROPLET, "127.0.0.1", free_port()):
        pass


@pytest.mark.parametrize(("api", "accepted"), [(1, True), (2, True), (0, True), (3, False), (-1, False)])
def test_a_protocol_two_versions_apart_is_told_and_one_is_fine(tmp_path: Path, api: int, accepted: bool) -> None:
    assert wire.API_VERSION == 1
    chosen = settings(tmp_path)
    ping = JSONResponse({"ok": True, "version": "9", "api": api})
    with serving(ping, chosen) as port:
        if accepted:
            with connect(keys.Ring(TOKEN), DROPLET, "127.0.0.1", port) as client:
                assert client.ping().api == api
        else:
            with pytest.raises(AgentProblem) as caught, connect(keys.Ring(TOKEN), DROPLET, "127.0.0.1", port):
                pass
            assert caught.value.problem.code == "version"
            assert ("Run upgrade-agents" in caught.value.problem.hint) == (api < wire.API_VERSION)
            with connect(keys.Ring(TOKEN), DROPLET, "127.0.0.1", port, any_version=True) as client:  # to be upgraded
                assert client.ping().api == api


def test_an_answer_without_the_envelope_is_strange_and_not_a_crash(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    with (
        serving(JSONResponse({"detail": "nginx"}, 502), chosen) as port,
        pytest.raises(AgentProblem) as caught,
        connect(keys.Ring(TOKEN), DROPLET, "127.0.0.1", port),
    ):
        pass
    assert caught.value.problem.code == "strange"


def test_a_proxy_of_the_environment_is_not_used(lab: Droplet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{free_port()}")
    with connect(keys.Ring(TOKEN), DROPLET, "127.0.0.1", lab.port) as client:
        assert client.ping().ok


def test_the_certificate_alone_opens_nothing(lab: Droplet) -> None:
    chosen = options(lab.settings.secret, DROPLET, "127.0.0.1", lab.port)
    with httpx.Client(base_url=chosen["base_url"], verify=chosen["verify"]) as http:
        reply = http.get("/containers", extensions={"sni_hostname": DROPLET})
    assert reply.status_code == 401


def rest_of(tls: ssl.SSLSocket) -> bytes:
    """What comes until the other end has closed it, in whatever manner."""
    found = b""
    with suppress(ConnectionError, ssl.SSLError):
        while piece := tls.recv(4096):
            found += piece
    return found


@pytest.mark.parametrize("head", [b"", b"GET /ping HTTP/1.1\r\nHost: a\r\n", b"GET /ping HTTP/1.1\r\nX: aaa"])
def test_a_connection_that_brings_no_whole_request_is_closed(tmp_path: Path, head: bytes) -> None:
    with droplet(tmp_path, limits=replace(LIMITS, head_seconds=0.1)) as lab, closing(lab.raw()) as tls:
        with suppress(OSError):  # it may be closed already
            tls.sendall(head)
        assert rest_of(tls) == b""


def test_a_connection_that_has_asked_once_is_held_to_it_too(tmp_path: Path) -> None:
    with droplet(tmp_path, limits=replace(LIMITS, head_seconds=2.0)) as lab, closing(lab.raw()) as tls:
        tls.sendall(b"GET /ping HTTP/1.1\r\nHost: a\r\n\r\nGET /ping HTTP/1.1\r\nHost: a\r\n")
        assert rest_of(tls).count(b"HTTP/1.1 200") == 1


def test_a_request_that_takes_its_time_is_not_cut_off(tmp_path: Path) -> None:
    with droplet(tmp_path, limits=replace(LIMITS, head_seconds=2.0)) as lab:
        lab.deploy(1)
        with lab.keyed() as http, http.stream("GET", f"/containers/{NAME}/logs", params={"follow": True}) as reply:
            lines = reply.iter_lines()
            next(lines)
            with closing(lab.raw()) as later:
                assert rest_of(later) == b""
            lab.engine.say(NAME, "still here")
            assert "still here" in next(lines)
            lab.engine.exit(NAME)


def test_whoever_holds_connections_without_asking_keeps_nobody_out(tmp_path: Path) -> None:
    with droplet(tmp_path, limits=replace(LIMITS, connections=3)) as lab, ExitStack() as held:
        idle = [held.enter_context(closing(lab.raw())) for _ in range(6)]
        with lab.keyed() as http:
            assert http.get("/containers").status_code == 200
        assert [rest_of(tls) for tls in idle[:3]] == [b""] * 3
