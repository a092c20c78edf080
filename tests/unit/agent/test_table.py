"""The routing table as a pure function of the containers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from agent import wire
from agent.server import table
from agent.server.errors import Failure
from agent.server.ports import Instance
from tests.fakes.engine import FakeEngine
from tests.unit.agent.builders import HOST, NAME, OTHER, release, spec


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as made:
        made.add_image(b"app", tag="app:1")
        yield made


@pytest.fixture
def web(engine: FakeEngine) -> Instance:
    made = engine.create(NAME, spec(1, engine.image("app:1").id, hosts=(HOST, "a.example.com")))
    return replace(made, role="current", status="running")


@pytest.fixture
def shop(engine: FakeEngine) -> Instance:
    made = engine.create(OTHER, spec(1, engine.image("app:1").id, hosts=("shop.example.com",)))
    return replace(made, role="current", status="running")


def hosts(routes: wire.Routes) -> list[str]:
    return [route.host for route in routes.routes]


def test_each_host_of_a_container_is_a_route_to_its_address(web: Instance) -> None:
    first, second = table.routes_of(web)
    assert (first.host, second.host) == (HOST, "a.example.com")
    assert {(one.container, one.release, one.address, one.port) for one in (first, second)} == {
        (NAME, release(1), web.address, web.port)
    }


def test_a_services_routes_are_replaced_and_those_of_others_stay(web: Instance, shop: Instance) -> None:
    before = table.with_current(table.with_current(wire.Routes(routes=()), NAME, web), OTHER, shop)
    assert hosts(before) == ["a.example.com", HOST, "shop.example.com"]
    after = table.with_current(before, NAME, replace(web, hosts=("new.example.com",)))
    assert hosts(after) == ["new.example.com", "shop.example.com"]
    assert hosts(table.with_current(after, NAME, None)) == ["shop.example.com"]


@pytest.mark.parametrize(
    ("role", "status", "error", "routed"),
    [
        ("current", "running", "", True),
        ("current", "restarting", "", True),
        ("current", "paused", "", True),
        ("current", "exited", "", False),
        ("current", "created", "", False),
        ("current", "exited", "the address was taken at boot", True),
        ("candidate", "running", "", False),
        ("previous", "running", "", False),
    ],
)
def test_only_current_containers_that_shall_run_are_routed(
    web: Instance, role: wire.Role, status: str, error: str, routed: bool
) -> None:
    derived = table.derived([replace(web, role=role, status=status, error=error)])
    assert bool(derived.routes) is routed


PAGE = wire.Maintenance(message="Back soon")


def pages(routes: wire.Routes) -> dict[str, wire.Maintenance | None]:
    return {route.host: route.maintenance for route in routes.routes}


def test_a_page_is_shown_under_every_name_of_its_service_and_stays_with_the_names_that_follow(
    web: Instance, shop: Instance
) -> None:
    before = table.with_page(table.derived([web, shop]), NAME, web, PAGE)
    assert pages(before) == {HOST: PAGE, "a.example.com": PAGE, "shop.example.com": None}
    after = table.with_current(before, NAME, replace(web, release=release(2), hosts=("new.example.com",)))
    assert pages(after) == {"new.example.com": PAGE, "shop.example.com": None}
    assert table.page_of(after, NAME) == PAGE
    assert pages(table.with_page(after, NAME, web, None)) == pages(table.derived([web, shop]))


def test_a_service_under_maintenance_keeps_its_page_while_nothing_is_current_until_it_is_taken_out(
    web: Instance,
) -> None:
    before = table.with_page(wire.Routes(routes=()), NAME, web, PAGE)
    assert table.with_current(before, NAME, None) == before
    assert table.with_page(before, NAME, None, None) == wire.Routes(routes=())


def test_a_page_that_comes_with_a_container_replaces_the_one_before(web: Instance) -> None:
    before = table.with_page(wire.Routes(routes=()), NAME, web, PAGE)
    other = wire.Maintenance(retry_after_seconds=5)
    assert table.page_of(table.with_current(before, NAME, web, other), NAME) == other


def test_the_table_that_is_derived_anew_keeps_the_pages_and_forgets_those_of_services_that_are_gone(
    web: Instance, shop: Instance
) -> None:
    before = table.with_page(table.with_page(wire.Routes(routes=()), NAME, web, PAGE), OTHER, shop, PAGE)
    stopped = replace(web, status="exited")
    assert pages(table.derived([stopped], before)) == {HOST: PAGE, "a.example.com": PAGE}
    assert table.derived([stopped], table.derived([web])).routes == ()


def test_equal_tables_are_equal_in_whatever_order_they_were_made(web: Instance, shop: Instance) -> None:
    assert table.derived([web, shop]) == table.derived([shop, web])


def test_a_table_that_goes_to_what_is_here_is_fine(web: Instance, shop: Instance) -> None:
    table.check(table.derived([web, shop]), [web, shop])


@pytest.mark.parametrize("field", ["container", "release", "address", "port"])
def test_a_table_that_goes_elsewhere_is_refused(web: Instance, field: str) -> None:
    other = {"container": OTHER, "release": release(9), "address": "127.0.0.9", "port": 1}[field]
    route = table.routes_of(web)[0].model_copy(update={field: other})
    with pytest.raises(Failure) as caught:
        table.check(wire.Routes(routes=(route,)), [web])
    assert (caught.value.status, caught.value.problem.code) == (409, "conflict")


def test_a_host_that_occurs_twice_is_refused(web: Instance) -> None:
    route = table.routes_of(web)[0]
    with pytest.raises(Failure, match="occurs 2 times") as caught:
        table.check(wire.Routes(routes=(route, route)), [web])
    assert caught.value.status == 422


def test_a_host_is_foreign_only_while_another_services_current_container_has_it(web: Instance) -> None:
    assert table.foreign_host((HOST,), OTHER, [web]) == (HOST, NAME)
    assert table.foreign_host((HOST,), NAME, [web]) is None
    assert table.foreign_host(("b.example.com",), OTHER, [web]) is None
    assert table.foreign_host((HOST,), OTHER, [replace(web, role="previous")]) is None
