"""What only a real nginx can show: restarts, requests in flight, and switches under load."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from threading import Event

import pytest

from agent import wire
from agent.server.ports import RouterError
from agent.unix_http import UnixConnection
from tests.contract.agent import routers
from tests.contract.agent.backends import Backend, backend
from tests.contract.agent.nginx import Nginx
from tests.contract.agent.routers import closed, route, table, totals
from tests.contract.sandbox.cloudflare.serving import until
from tests.unit.agent.builders import HOST, NAME, release

SWITCHES = 25
PAGE = wire.Maintenance(retry_after_seconds=60)


@pytest.fixture
def nginx() -> Iterator[Nginx]:
    with routers.nginx() as running:
        yield running


@pytest.fixture
def blue() -> Iterator[Backend]:
    with backend("blue") as running:
        yield running


@pytest.fixture
def green() -> Iterator[Backend]:
    with backend("green") as running:
        yield running


def in_flight(nginx: Nginx, number: int = 1) -> int:
    return nginx.router.in_flight(NAME, release(number))


def asked(nginx: Nginx, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    """A call of the admin socket, as anything but the router might make it."""
    with closing(UnixConnection(nginx.folder / "admin.sock", 5)) as connection:
        connection.request(method, path, body)
        reply = connection.getresponse()
        return reply.status, reply.read()


def test_the_table_survives_a_restart_of_nginx(nginx: Nginx, blue: Backend) -> None:
    nginx.router.update(lambda _: table(route(blue)))
    nginx.stop()
    nginx.start()
    assert nginx.router.read() == table(route(blue))
    assert nginx.get(HOST) == (200, "blue")
    assert nginx.router.check() == (True, "")


def test_a_file_that_is_no_table_costs_the_routes_but_not_nginx(nginx: Nginx, blue: Backend) -> None:
    nginx.router.update(lambda _: table(route(blue)))
    nginx.stop()
    nginx.file.write_text("{")
    nginx.start()
    assert nginx.get(HOST)[0] == 421
    good, why = nginx.router.check()
    assert not good
    assert "is not a table of routes" in why


def test_a_table_that_was_changed_behind_the_agents_back_is_noticed(nginx: Nginx, blue: Backend) -> None:
    nginx.router.update(lambda _: table(route(blue)))
    assert asked(nginx, "PUT", "/routes", b'{"routes": []}')[0] == 200
    assert nginx.router.check() == (False, f"nginx uses another table than {nginx.file} holds")


def test_while_nginx_is_away_a_change_fails_and_the_file_keeps_the_table(nginx: Nginx, blue: Backend) -> None:
    nginx.router.update(lambda _: table(route(blue)))
    kept = nginx.file.read_bytes()
    nginx.stop()
    with pytest.raises(RouterError, match="does not answer"):
        nginx.router.update(lambda _: table())
    assert nginx.file.read_bytes() == kept


def test_a_refused_first_table_leaves_no_file_behind(nginx: Nginx, blue: Backend, green: Backend) -> None:
    with pytest.raises(RouterError):
        nginx.router.update(lambda _: table(route(blue), route(green)))
    assert not nginx.file.exists()
    assert nginx.router.check() == (True, "")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("host", 'x"; return 200; #'),
        ("host", "UPPER.example.com"),
        ("address", "unix:/var/run/docker.sock"),
        ("address", "evil.example.com"),
        ("port", 0),
        ("port", "80"),
        ("port", 8080.5),
        ("release", None),
        ("maintenance", "soon"),
        ("maintenance", {"retry_after_seconds": 60}),
        ("maintenance", {"retry_after_seconds": 0, "message": ""}),
        ("maintenance", {"retry_after_seconds": "60", "message": ""}),
        ("maintenance", {"retry_after_seconds": 86401, "message": ""}),
    ],
)
def test_nginx_itself_refuses_a_malformed_route(nginx: Nginx, blue: Backend, field: str, value: object) -> None:
    nginx.router.update(lambda _: table(route(blue)))
    bad = {**json.loads(route(blue, host="bad.example.com").model_dump_json()), field: value}
    status, body = asked(nginx, "PUT", "/routes", json.dumps({"routes": [bad]}).encode())
    assert (status, list(json.loads(body))) == (400, ["error"])
    assert nginx.router.read() == table(route(blue))


def test_the_host_header_reaches_the_container_as_the_visitor_sent_it(nginx: Nginx, blue: Backend) -> None:
    nginx.router.update(lambda _: table(route(blue)))
    assert nginx.get(f"{HOST}:8443", "/host") == (200, f"{HOST}:8443")


def test_a_slow_answer_is_in_flight_until_its_end_even_after_a_switch(
    nginx: Nginx, blue: Backend, green: Backend
) -> None:
    nginx.router.update(lambda _: table(route(blue)))
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(nginx.get, HOST, "/slow") for _ in range(3)]
        until(lambda: in_flight(nginx) == 3, "three are in flight")
        nginx.router.update(lambda _: table(route(green, 2)))
        assert nginx.get(HOST)[1] == "green"
        assert in_flight(nginx) == 3
        blue.released.set()
        assert [one.result(10) for one in waiting] == [(200, "blue")] * 3
    until(lambda: in_flight(nginx) == 0, "none is in flight")


def test_the_maintenance_page_survives_a_restart_of_nginx(nginx: Nginx, blue: Backend) -> None:
    nginx.router.update(lambda _: closed(route(blue), page=PAGE))
    nginx.stop()
    nginx.start()
    assert nginx.router.read() == closed(route(blue), page=PAGE)
    assert nginx.ask(HOST).headers["retry-after"] == "60"
    assert nginx.router.check() == (True, "")


def test_a_table_from_before_there_was_maintenance_is_read_and_one_without_a_page_is_written_as_then(
    nginx: Nginx, blue: Backend
) -> None:
    nginx.router.update(lambda _: table(route(blue)))
    assert "maintenance" not in nginx.file.read_text()
    assert asked(nginx, "PUT", "/routes", table(route(blue)).model_dump_json().encode())[0] == 200, "null is none"
    assert nginx.get(HOST) == (200, "blue")


def test_a_request_in_flight_ends_well_although_maintenance_has_begun(nginx: Nginx, blue: Backend) -> None:
    nginx.router.update(lambda _: table(route(blue)))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(nginx.get, HOST, "/slow")
        until(lambda: in_flight(nginx) == 1, "it is in flight")
        nginx.router.update(lambda _: closed(route(blue), page=PAGE))
        assert nginx.get(HOST)[0] == 503
        assert in_flight(nginx) == 1
        blue.released.set()
        assert waiting.result(10) == (200, "blue")
    until(lambda: in_flight(nginx) == 0, "none is in flight")


def test_a_refused_upload_leaves_its_connection_good_for_the_next_request(nginx: Nginx, blue: Backend) -> None:
    nginx.router.update(lambda _: closed(route(blue), page=PAGE))
    with closing(http.client.HTTPConnection("127.0.0.1", nginx.port, timeout=10)) as connection:
        connection.connect()
        connection.auto_open = 0
        statuses = []
        for body in (b"x" * 1_000_000, b"GET / HTTP/1.1\r\nHost: other.example.com\r\n\r\n", b""):
            connection.request("POST", "/", body, {"Host": HOST})
            reply = connection.getresponse()
            reply.read()
            statuses.append(reply.status)
        nginx.router.update(lambda _: table(route(blue)))
        connection.request("POST", "/", b"paid", {"Host": HOST})
        assert connection.getresponse().read() == b"paid"
    assert statuses == [503] * 3


def test_a_head_request_gets_the_page_without_its_body(nginx: Nginx, blue: Backend) -> None:
    nginx.router.update(lambda _: closed(route(blue), page=PAGE))
    with closing(http.client.HTTPConnection("127.0.0.1", nginx.port, timeout=10)) as connection:
        connection.request("HEAD", "/", headers={"Host": HOST})
        reply = connection.getresponse()
        assert (reply.status, reply.getheader("Retry-After"), reply.read()) == (503, "60", b"")


def test_a_visitor_who_leaves_in_the_middle_is_counted_out(nginx: Nginx, blue: Backend) -> None:
    nginx.router.update(lambda _: table(route(blue)))
    with socket.create_connection(("127.0.0.1", nginx.port), 5) as visitor:
        visitor.sendall(f"GET /slow HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        until(lambda: in_flight(nginx) == 1, "it is in flight")
    until(lambda: in_flight(nginx) == 0, "it is gone")


def test_an_upgraded_connection_is_in_flight_for_as_long_as_it_is_open(nginx: Nginx, blue: Backend) -> None:
    nginx.router.update(lambda _: table(route(blue)))
    with socket.create_connection(("127.0.0.1", nginx.port), 5) as visitor, visitor.makefile("rwb") as lines:
        lines.write(f"GET /upgrade HTTP/1.1\r\nHost: {HOST}\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n".encode())
        lines.flush()
        assert lines.readline().startswith(b"HTTP/1.1 101")
        while lines.readline().strip():
            pass  # the rest of the head
        nginx.router.update(lambda _: table())
        lines.write(b"are you there\n")
        lines.flush()
        assert lines.readline() == b"are you there\n"
        assert in_flight(nginx) == 1
    until(lambda: in_flight(nginx) == 0, "it is closed")


def test_a_crashed_worker_takes_its_count_with_it(nginx: Nginx, blue: Backend) -> None:
    nginx.router.update(lambda _: table(route(blue)))
    with socket.create_connection(("127.0.0.1", nginx.port), 5) as visitor:
        visitor.sendall(f"GET /slow HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        until(lambda: in_flight(nginx) == 1, "it is in flight")
        nginx.kill_workers()
        until(lambda: in_flight(nginx) == 0, "the new worker knows of no request")
    assert nginx.get(HOST) == (200, "blue")


def test_answers_of_five_hundred_and_above_are_counted_as_errors(nginx: Nginx, blue: Backend) -> None:
    nginx.router.update(lambda _: table(route(blue)))
    for path in ("/", "/error", "/error"):
        nginx.get(HOST, path)
    until(lambda: in_flight(nginx) == 0, "every answer is out")
    (found,) = nginx.router.counts()
    assert (found.container, found.release) == (NAME, release(1))
    assert (found.total, found.errors, found.in_flight) == (3, 2, 0)


def test_a_dead_containers_requests_are_counted_out_too(nginx: Nginx) -> None:
    with backend("gone") as gone:
        lost = route(gone)
    nginx.router.update(lambda _: table(lost))
    assert nginx.get(HOST)[0] == 502
    until(lambda: in_flight(nginx) == 0, "it is counted out")
    (found,) = nginx.router.counts()
    assert (found.total, found.errors) == (1, 1)


def test_switches_under_load_lose_no_request_and_close_no_connection(
    nginx: Nginx, blue: Backend, green: Backend
) -> None:
    nginx.router.update(lambda _: table(route(blue)))
    over = Event()

    def visit() -> list[tuple[int, str]]:
        """Requests on one kept connection; http.client raises if it is ever closed."""
        seen = []
        with closing(http.client.HTTPConnection("127.0.0.1", nginx.port, timeout=10)) as connection:
            connection.connect()
            connection.auto_open = 0
            while not over.is_set():
                connection.request("POST", "/", b"paid", {"Host": HOST})
                reply = connection.getresponse()
                seen.append((reply.status, reply.read().decode()))
        return seen

    with ThreadPoolExecutor(4) as pool:
        visitors: list[Future[list[tuple[int, str]]]] = [pool.submit(visit) for _ in range(4)]
        for number in range(SWITCHES):
            before = totals(nginx.router).get((NAME, release(number % 2 + 1)), 0)
            until(lambda n=number, b=before: _had(nginx, n % 2 + 1) > b + 4, "some requests")  # type: ignore[misc]
            nginx.router.update(lambda _, n=number: table(route((green, blue)[n % 2], 2 - n % 2)))  # type: ignore[misc]
        over.set()
        answers = [answer for one in visitors for answer in one.result(20)]
    assert set(answers) == {(200, "paid")}
    assert sum(totals(nginx.router).values()) == len(answers)


def _had(nginx: Nginx, number: int) -> int:
    return totals(nginx.router).get((NAME, release(number)), 0)
