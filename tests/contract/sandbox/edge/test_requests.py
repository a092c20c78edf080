"""Requests on their way: spread, tried elsewhere once, streamed, kept alive, or answered with a page."""

from __future__ import annotations

import hashlib
import socket
from collections import Counter
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.contract.sandbox.cloudflare.serving import until
from tests.contract.sandbox.edge.conftest import DOWN, FIRST, SECOND, Ports, Serve, Zone
from tests.contract.sandbox.edge.origin import MEGABYTE, Forgetful, Origin

HOST = {"Host": "hello.example.test"}


def test_requests_are_spread_over_all_records(visitor: httpx.Client, zone: Zone, serve: Serve) -> None:
    serve(FIRST)
    serve(SECOND)
    zone.point("hello", FIRST, SECOND)
    reached = Counter(visitor.get("/", headers=HOST).json()["origin"] for _ in range(20))
    assert reached == {FIRST: 10, SECOND: 10}


def test_a_refused_connection_is_tried_on_another_record(visitor: httpx.Client, zone: Zone, serve: Serve) -> None:
    serve(FIRST)
    zone.point("hello", DOWN, FIRST)
    answers = [visitor.post("/", headers=HOST, content=b"z" * 200_000) for _ in range(4)]
    assert [answer.json()["origin"] for answer in answers] == [FIRST] * 4


def test_another_record_is_tried_only_once(visitor: httpx.Client, zone: Zone, serve: Serve) -> None:
    serve(FIRST)
    zone.point("hello", DOWN, "127.77.250.4", FIRST)
    statuses = [visitor.get("/", headers=HOST).status_code for _ in range(3)]
    assert sorted(statuses) == [200, 200, 521]


def test_the_only_record_refusing_is_521(visitor: httpx.Client, zone: Zone) -> None:
    zone.point("hello", DOWN)
    answer = visitor.get("/", headers=HOST)
    assert answer.status_code == 521
    assert "Web server is down" in answer.text


@pytest.fixture
def silent() -> Iterator[str]:
    """An address where a TCP connection opens and TLS never answers."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((DOWN, 443))
        listener.listen(16)
        yield DOWN


def test_a_connection_that_is_not_answered_is_522_and_tried_elsewhere(
    visitor: httpx.Client, zone: Zone, serve: Serve, silent: str
) -> None:
    serve(FIRST)
    zone.point("alone", silent)
    zone.point("hello", silent, FIRST)
    assert visitor.get("/", headers={"Host": "alone.example.test"}).status_code == 522
    assert [visitor.get("/", headers=HOST).status_code for _ in range(2)] == [200, 200]


def test_an_origin_without_tls_is_525(visitor: httpx.Client, zone: Zone, forget_tls: None) -> None:
    zone.point("hello", FIRST)
    assert visitor.get("/", headers=HOST).status_code == 525


@pytest.mark.parametrize("status", [404, 500, 502, 503])
def test_an_answer_of_the_origin_is_delivered_whatever_it_is(
    visitor: httpx.Client, zone: Zone, serve: Serve, status: int
) -> None:
    origins = [serve(FIRST), serve(SECOND)]
    zone.point("hello", FIRST, SECOND)
    answer = visitor.get(f"/status/{status}", headers=HOST)
    assert (answer.status_code, answer.text) == (status, "from the origin")
    assert sum(len(origin.requests) for origin in origins) == 1


def test_connections_to_an_origin_are_kept_and_used_again(visitor: httpx.Client, zone: Zone, serve: Serve) -> None:
    origin = serve(FIRST)
    zone.point("hello", FIRST)
    for _ in range(30):
        assert visitor.get("/", headers=HOST).status_code == 200
    assert len(origin.requests) == 30
    assert len(origin.connections) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_kept_connection_that_the_origin_closed_loses_no_request(
    visitor: httpx.Client, zone: Zone, forget: Callable[..., Forgetful], method: str
) -> None:
    origin = forget(FIRST)
    zone.point("hello", FIRST)
    zone.ssl("flexible")
    answers = [visitor.request(method, "/", headers=HOST) for _ in range(20)]
    assert [answer.text for answer in answers] == ["ok"] * 20
    assert len(origin.heads) == 20


def test_an_origin_that_closes_without_an_answer_is_520(
    visitor: httpx.Client, zone: Zone, forget: Callable[..., Forgetful]
) -> None:
    origin = forget(FIRST, answer=b"")
    zone.point("hello", FIRST)
    zone.ssl("flexible")
    assert visitor.post("/", headers=HOST, content=b"once").status_code == 520
    assert len(origin.heads) == 1


def test_an_answer_that_is_no_http_is_502(visitor: httpx.Client, zone: Zone, forget: Callable[..., Forgetful]) -> None:
    forget(FIRST, answer=b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
    zone.point("hello", FIRST)
    zone.ssl("flexible")
    assert visitor.get("/", headers=HOST).status_code == 502


def test_a_large_answer_streams_through(visitor: httpx.Client, zone: Zone, serve: Serve) -> None:
    serve(FIRST)
    zone.point("hello", FIRST)
    with visitor.stream("GET", "/big/64", headers=HOST) as answer:
        assert answer.headers["transfer-encoding"] == "chunked"
        assert sum(len(part) for part in answer.iter_raw()) == 64 * MEGABYTE


@pytest.mark.parametrize("chunked", [True, False])
def test_a_large_upload_streams_through_unchanged(
    visitor: httpx.Client, zone: Zone, serve: Serve, chunked: bool
) -> None:
    serve(FIRST)
    zone.point("hello", FIRST)
    body = bytes(range(256)) * 4096 * 16
    content = iter([body[:MEGABYTE], body[MEGABYTE:]]) if chunked else body
    told = visitor.post("/upload", headers=HOST, content=content).json()
    assert told == {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def test_an_answer_that_breaks_off_breaks_off_for_the_visitor(visitor: httpx.Client, zone: Zone, serve: Serve) -> None:
    serve(FIRST)
    zone.point("hello", FIRST)
    with pytest.raises(httpx.RemoteProtocolError):
        visitor.get("/broken", headers=HOST)
    assert visitor.get("/", headers=HOST).status_code == 200


def test_a_head_request_has_headers_and_no_body(visitor: httpx.Client, zone: Zone, serve: Serve) -> None:
    serve(FIRST)
    zone.point("hello", FIRST)
    answer = visitor.head("/", headers=HOST)
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 0


def test_a_visitor_who_leaves_frees_the_origin(ports: Ports, zone: Zone, serve: Serve) -> None:
    origin = serve(FIRST)
    zone.point("hello", FIRST)
    with socket.create_connection(("127.0.0.1", ports.http), timeout=5) as connection:
        connection.sendall(b"GET /big/1000 HTTP/1.1\r\nHost: hello.example.test\r\n\r\n")
        connection.recv(1000)
    until(lambda: _gone(origin), "the origin's connection is closed")


def _gone(origin: Origin) -> bool:
    transports = [request.transport for request in origin.requests]
    return bool(transports) and all(transport is None or transport.is_closing() for transport in transports)
