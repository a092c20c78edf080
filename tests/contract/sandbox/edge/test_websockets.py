"""Websockets through the edge, with a client and an origin that know nothing of each other's library."""

from __future__ import annotations

import socket as sockets

import httpx
import pytest
from websockets import Subprotocol
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.contract.sandbox.edge.conftest import DOWN, FIRST, Ports, Serve, Zone

HOST = {"Host": "hello.example.test"}


def dial(ports: Ports, path: str = "/ws", protocol: str | None = None) -> ClientConnection:
    """A websocket to the edge by the name's local host."""
    address = ("127.0.0.1", ports.http)
    connection = sockets.create_connection(address, timeout=5)
    protocols = [Subprotocol(protocol)] if protocol else None
    return connect(f"ws://hello.example.test.localhost:{ports.http}{path}", sock=connection, subprotocols=protocols)


def test_texts_and_bytes_pass_both_ways(ports: Ports, zone: Zone, serve: Serve) -> None:
    serve(FIRST)
    zone.point("hello", FIRST)
    with dial(ports) as socket:
        socket.send("hello")
        assert socket.recv(5) == f"{FIRST} hello"
        socket.send(b"\x00" * 200_000)
        assert socket.recv(5) == b"\x00" * 200_000


def test_the_origin_is_asked_by_the_real_name_and_origin(ports: Ports, zone: Zone, serve: Serve) -> None:
    origin = serve(FIRST)
    zone.point("hello", FIRST)
    with dial(ports):
        pass
    seen = origin.requests[0].headers
    assert seen["Host"] == "hello.example.test"
    assert seen["CF-Connecting-IP"] == "127.0.0.1"


def test_a_ping_is_answered_from_the_other_end(ports: Ports, zone: Zone, serve: Serve) -> None:
    serve(FIRST)
    zone.point("hello", FIRST)
    with dial(ports) as socket:
        assert socket.ping().wait(5)


def test_the_subprotocol_that_the_origin_chose_is_passed_on(ports: Ports, zone: Zone, serve: Serve) -> None:
    serve(FIRST)
    zone.point("hello", FIRST)
    with dial(ports, protocol="chat") as socket:
        assert socket.subprotocol == "chat"


def test_a_close_keeps_its_code_and_reason(ports: Ports, zone: Zone, serve: Serve) -> None:
    serve(FIRST)
    zone.point("hello", FIRST)
    with dial(ports) as socket:
        socket.send("bye")
        with pytest.raises(ConnectionClosedError) as closed:
            socket.recv(5)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "so long")


def test_a_cut_at_the_origin_is_a_cut_for_the_visitor(ports: Ports, zone: Zone, serve: Serve) -> None:
    serve(FIRST)
    zone.point("hello", FIRST)
    with dial(ports) as socket:
        socket.send("cut")
        with pytest.raises(ConnectionClosedError) as closed:
            socket.recv(5)
    assert closed.value.rcvd is None


def test_a_refusing_origin_is_passed_by(ports: Ports, zone: Zone, serve: Serve) -> None:
    serve(FIRST)
    zone.point("hello", DOWN, FIRST)
    for _ in range(2):
        with dial(ports) as socket:
            socket.send("x")
            assert socket.recv(5) == f"{FIRST} x"


def test_a_handshake_that_the_origin_refuses_gives_its_status(ports: Ports, zone: Zone, serve: Serve) -> None:
    serve(FIRST)
    zone.point("hello", FIRST)
    with pytest.raises(InvalidStatus) as refused:
        dial(ports, "/status/403")
    assert refused.value.response.status_code == 403


def test_requests_go_on_beside_an_open_websocket(ports: Ports, visitor: httpx.Client, zone: Zone, serve: Serve) -> None:
    serve(FIRST)
    zone.point("hello", FIRST)
    with dial(ports) as socket:
        assert visitor.get("/", headers=HOST).status_code == 200
        socket.send("still here")
        assert socket.recv(5) == f"{FIRST} still here"
