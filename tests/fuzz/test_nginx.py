"""What comes over nginx's admin socket is a table or is refused, and a refusal changes nothing."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings

from agent.server.ports import RouterError
from agent.unix_http import UnixConnection
from tests.contract.agent import routers
from tests.contract.agent.nginx import Nginx
from tests.fuzz.test_parsers import EXAMPLES, noise

LARGEST = 1 << 20


@pytest.fixture(scope="module")
def nginx() -> Iterator[Nginx]:
    with routers.nginx() as running:
        yield running


def ask(nginx: Nginx, method: str, body: bytes | None = None) -> tuple[int, bytes]:
    """A call of the admin socket, as anything but the router might make it."""
    with closing(UnixConnection(nginx.folder / "admin.sock", 5)) as connection:
        connection.request(method, "/routes", body)
        reply = connection.getresponse()
        return reply.status, reply.read()


def test_whatever_table_comes_is_used_as_it_is_or_refused_without_a_change(nginx: Nginx) -> None:
    @settings(max_examples=EXAMPLES * 2, deadline=None, suppress_health_check=list(HealthCheck))
    @given(noise("routes"))
    def holds(content: bytes) -> None:
        before = ask(nginx, "GET")
        status, said = ask(nginx, "PUT", content[:LARGEST])
        assert status in {http.client.OK, http.client.BAD_REQUEST}, said
        used = ask(nginx, "GET")
        assert used == ((http.client.OK, content) if status == http.client.OK else before)

    holds()


def test_a_visitor_is_answered_whatever_table_is_used(nginx: Nginx) -> None:
    for content in (b'{"routes": {}}', b'{"routes": [], "more": [[[[]]]]}', b'{"routes": [], "routes": []}'):
        assert ask(nginx, "PUT", content)[0] == http.client.OK
        assert nginx.get("a.example.com")[0] == 421
        assert read(nginx) in ((), "malformed")  # in which case the agent writes its own table over it


def read(nginx: Nginx) -> object:
    """The routes that the agent reads back, or what it says instead."""
    try:
        return nginx.router.read().routes
    except RouterError as error:
        return "malformed" if "malformed" in str(error) else str(error)
