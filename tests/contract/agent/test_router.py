"""One suite for the port `Router`, on the fake and on nginx with the droplet's own configuration."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from agent import wire
from agent.server import table as tables
from agent.server.ports import RouterError
from tests.contract.agent import routers
from tests.contract.agent.backends import Backend, backend
from tests.contract.agent.routers import Gate, closed, route, table, totals
from tests.contract.sandbox.cloudflare.serving import until
from tests.unit.agent.builders import HOST, NAME, OTHER, release


@pytest.fixture(scope="module", params=["fake", "nginx"])
def shared(request: pytest.FixtureRequest) -> Iterator[Gate]:
    with routers.gate(request.param) as made:
        yield made


@pytest.fixture
def gate(shared: Gate) -> Gate:
    shared.router.update(lambda _: table())
    return shared


@pytest.fixture(scope="module")
def blue() -> Iterator[Backend]:
    with backend("blue") as running:
        yield running


@pytest.fixture(scope="module")
def green() -> Iterator[Backend]:
    with backend("green") as running:
        yield running


def test_a_table_is_read_back_as_it_was_given_and_visitors_are_sent_by_it(gate: Gate, blue: Backend) -> None:
    wanted = table(route(blue))
    assert gate.router.update(lambda _: wanted)
    assert gate.router.read() == wanted
    assert gate.get(HOST) == (200, "blue")
    assert gate.router.check() == (True, "")


def test_a_visitors_status_is_told_for_a_name_that_is_served_one_that_fails_and_one_that_is_not_known(
    gate: Gate, blue: Backend
) -> None:
    gate.router.update(lambda _: table(route(blue)))
    asked = [(HOST, "/"), (HOST, "/error"), ("other.example.com", "/")]
    assert [gate.router.status(host, path) for host, path in asked] == [200, 500, 421]


def test_a_change_that_changes_nothing_says_so(gate: Gate, blue: Backend) -> None:
    gate.router.update(lambda _: table(route(blue)))
    assert not gate.router.update(lambda now: now)
    assert gate.router.read() == table(route(blue))


def test_the_change_is_given_the_table_in_use(gate: Gate, blue: Backend, green: Backend) -> None:
    first, second = route(blue), route(green, host="shop.example.com", container=OTHER)
    gate.router.update(lambda _: table(first))
    gate.router.update(lambda now: table(*now.routes, second))
    assert gate.router.read() == table(first, second)
    assert gate.get("shop.example.com") == (200, "green")


def test_a_switch_sends_the_next_request_to_the_other_container(gate: Gate, blue: Backend, green: Backend) -> None:
    gate.router.update(lambda _: table(route(blue)))
    assert gate.get(HOST)[1] == "blue"
    gate.router.update(lambda _: table(route(green, 2)))
    assert gate.get(HOST)[1] == "green"


def test_a_name_that_nobody_serves_is_misdirected(gate: Gate, blue: Backend) -> None:
    gate.router.update(lambda _: table(route(blue)))
    assert gate.get("other.example.com")[0] == 421
    gate.router.update(lambda _: table())
    assert gate.get(HOST)[0] == 421


def test_a_container_that_does_not_answer_is_a_bad_gateway(gate: Gate) -> None:
    with backend("gone") as gone:
        lost = route(gone)
    gate.router.update(lambda _: table(lost))
    assert gate.get(HOST)[0] == 502


def test_a_table_that_names_a_host_twice_is_refused_and_leaves_everything_as_it_was(
    gate: Gate, blue: Backend, green: Backend
) -> None:
    before = table(route(blue))
    gate.router.update(lambda _: before)
    with pytest.raises(RouterError, match="twice"):
        gate.router.update(lambda _: table(route(blue), route(green, 2)))
    assert gate.router.read() == before
    assert gate.get(HOST) == (200, "blue")
    assert gate.router.check() == (True, "")


def test_a_change_that_fails_while_it_is_thought_up_changes_nothing(gate: Gate, blue: Backend) -> None:
    gate.router.update(lambda _: table(route(blue)))

    def fail(_: wire.Routes) -> wire.Routes:
        raise KeyError("no such service")

    with pytest.raises(KeyError):
        gate.router.update(fail)
    assert gate.router.read() == table(route(blue))


def test_of_many_services_that_change_at_once_none_is_lost(gate: Gate, blue: Backend) -> None:
    names = [f"9fe5e6_demo_prod_s{number}" for number in range(24)]
    made = [route(blue, host=f"s{number}.example.com", container=name) for number, name in enumerate(names)]

    def add(one: wire.Route) -> bool:
        return gate.router.update(lambda now: tables.ordered([*now.routes, one]))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(add, made)) == [True] * 24
    assert gate.router.read() == tables.ordered(made)


def test_each_request_is_counted_for_the_release_that_had_it(gate: Gate, blue: Backend, green: Backend) -> None:
    before = totals(gate.router)
    gate.router.update(lambda _: table(route(blue, 8)))
    for _ in range(3):
        gate.get(HOST)
    gate.router.update(lambda _: table(route(green, 9)))
    gate.get(HOST)

    def new(number: int) -> int:
        key = (NAME, release(number))
        return totals(gate.router).get(key, 0) - before.get(key, 0)

    assert (new(8), new(9)) == (3, 1)
    until(lambda: gate.router.in_flight(NAME, release(8)) == 0, "every answer is out")
    assert gate.router.in_flight(NAME, release(7)) == 0


def test_errors_and_the_time_that_answers_took_are_counted_for_the_release_that_gave_them(
    gate: Gate, blue: Backend
) -> None:
    gate.router.update(lambda _: table(route(blue, 17)))
    for path in ("/", "/error", "/error"):
        gate.get(HOST, path)
    until(lambda: gate.router.in_flight(NAME, release(17)) == 0, "every answer is out")
    (found,) = [one for one in gate.router.counts() if one.release == release(17)]
    assert (found.container, found.total, found.errors) == (NAME, 3, 2)
    assert found.seconds >= 0


BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"
PAGE = wire.Maintenance(retry_after_seconds=120, message="Back at 5 <script>alert('x')</script> & 100% well")


def test_a_name_under_maintenance_answers_503_and_says_when_to_come_back_and_the_container_hears_nothing(
    gate: Gate, blue: Backend
) -> None:
    before = totals(gate.router)
    gate.router.update(lambda _: closed(route(blue), page=PAGE))
    for accept in ("*/*", "application/json", BROWSER):
        seen = gate.ask(HOST, "/any/path", accept)
        assert seen.status == 503
        assert (seen.headers["retry-after"], seen.headers["cache-control"]) == ("120", "no-store")
    assert totals(gate.router) == before


def test_a_browser_gets_a_page_in_which_the_message_is_only_text_and_programs_get_a_line(
    gate: Gate, blue: Backend
) -> None:
    gate.router.update(lambda _: closed(route(blue), page=PAGE))
    page, line = gate.ask(HOST, "/", BROWSER), gate.ask(HOST, "/", "application/json")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "Back at 5 &lt;script&gt;" in page.body
    assert "&amp; 100% well" in page.body
    assert "<script" not in page.body
    assert line.headers["content-type"] == "text/plain; charset=utf-8"
    assert line.body == f"Under maintenance. {PAGE.message}\n"


def test_a_page_without_a_message_has_words_of_its_own(gate: Gate, blue: Backend) -> None:
    gate.router.update(lambda _: closed(route(blue), page=wire.Maintenance()))
    assert gate.ask(HOST).body == "Under maintenance. This service will be back. Please try again in a while.\n"
    assert gate.ask(HOST).headers["retry-after"] == "300"


def test_a_page_is_kept_in_the_table_and_is_gone_with_the_next_one(gate: Gate, blue: Backend, green: Backend) -> None:
    other = route(green, host="shop.example.com", container=OTHER)
    wanted = table(*closed(route(blue), page=PAGE).routes, other)
    gate.router.update(lambda _: wanted)
    assert gate.router.read() == wanted
    assert gate.router.check() == (True, "")
    assert gate.get("shop.example.com") == (200, "green"), "only the service that is meant"
    assert gate.router.update(lambda _: table(route(blue), other))
    assert gate.get(HOST) == (200, "blue")
