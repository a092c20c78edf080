"""Maintenance of a service, planned from what its droplets show."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from fleet import facts
from fleet.errors import InvalidInput, TransientError
from fleet.maintenance import MaintenancePlan, plan_maintenance
from fleet.plan import Desired, Plan, plan
from fleet.rollback import plan_rollback
from fleet.spec import Maintenance, Tcp
from fleet.state import Host, World
from tests.unit.fleet.worlds import (
    DOMAIN,
    HELLO,
    OLD,
    OLDER,
    OWNER,
    SPEC,
    at_rest,
    container,
    droplet,
    host,
    service,
)

PAGE = Maintenance(60, "We move house")
A, B = (droplet(letter).name for letter in "12")


def showing(seen: Host, page: Maintenance | None = PAGE) -> Host:
    """The same droplet, whose names show this page."""
    return replace(seen, routes=tuple(replace(route, page=page) for route in seen.routes or ()))


def world(*pages: Maintenance | None) -> World:
    """A world in which `hello` serves on droplets that show these pages."""
    letters = [str(number) for number, _ in enumerate(pages, 1)]
    found = at_rest(*letters)
    hosts = tuple(showing(seen, page) for seen, page in zip(found.hosts, pages, strict=True))
    return replace(found, hosts=hosts)


def planned(seen: World, page: Maintenance | None = PAGE) -> MaintenancePlan:
    """The plan for the service `hello`."""
    return plan_maintenance(seen, OWNER, SPEC, service(), page)


def deploy(seen: World, replicas: int = 2) -> Plan:
    """The plan of a deploy of `hello`."""
    return plan(seen, Desired(OWNER, SPEC, replace(service(), replicas=replicas), "0123456789ab"))


def test_it_comes_to_every_droplet_of_the_service_and_knows_what_each_showed() -> None:
    found = planned(world(None, PAGE))
    assert (found.container, found.domains) == (HELLO, (DOMAIN,))
    assert found.before == {A: None, B: PAGE}
    assert not found.at_rest


@pytest.mark.parametrize(
    ("pages", "wanted", "at_rest"),
    [
        ([PAGE, PAGE], PAGE, True),
        ([None, None], None, True),
        ([PAGE, None], None, False),
        ([PAGE, Maintenance(60, "Another")], PAGE, False),
    ],
)
def test_nothing_is_to_be_done_only_where_all_show_what_is_wanted(
    pages: list[Maintenance | None], wanted: Maintenance | None, at_rest: bool
) -> None:
    assert planned(world(*pages), wanted).at_rest is at_rest


def test_droplets_without_the_service_are_left_alone() -> None:
    found = world(None)
    assert [one.name for one in planned(replace(found, hosts=(*found.hosts, host("2")))).hosts] == [A]


def test_a_service_without_visitors_or_without_a_droplet_is_refused() -> None:
    with pytest.raises(InvalidInput, match="hello is a tcp service: no visitor comes to it"):
        plan_maintenance(world(None), OWNER, SPEC, replace(service(), replicas=1, runs=Tcp(6379)), PAGE)
    with pytest.raises(InvalidInput, match="hello runs on no droplet of demo-prod"):
        planned(World((host("1", container("shop")),)))


def test_a_droplet_or_an_nginx_that_cannot_be_seen_stops_it() -> None:
    silent = world(None, None)
    with pytest.raises(TransientError, match=f"{B} \\(no answer\\)"):
        planned(replace(silent, hosts=(silent.hosts[0], Host(silent.hosts[1].droplet, error="no answer"))))
    with pytest.raises(TransientError, match=f"The nginx of {B} does not say"):
        planned(replace(silent, hosts=(silent.hosts[0], replace(silent.hosts[1], routes=None))))


@pytest.mark.parametrize(
    ("seconds", "message"), [(0, ""), (86_401, ""), (60, "x" * 301), (60, "one\ntwo"), (60, "\x7f")]
)
def test_a_page_that_cannot_be_shown_is_none(seconds: int, message: str) -> None:
    with pytest.raises(InvalidInput):
        Maintenance(seconds, message)


def test_a_deploy_under_maintenance_that_has_nothing_else_to_do_is_at_rest_and_keeps_the_page() -> None:
    found = deploy(world(PAGE, PAGE))
    assert (found.at_rest, found.maintenance) == (True, PAGE)
    (kept,) = [one for one in found.operations if "maintenance page" in str(one)]
    assert str(kept) == "keep the maintenance page (retry after 60 s, 'We move house') in front of it on every droplet"
    assert not kept.changes


@pytest.mark.parametrize("pages", [[PAGE, None], [None, PAGE]])
def test_a_service_is_under_maintenance_for_as_long_as_one_droplet_shows_its_page(
    pages: list[Maintenance | None],
) -> None:
    found = deploy(world(*pages))
    assert (found.at_rest, found.maintenance) == (False, PAGE)


def test_a_droplet_that_joins_gets_the_page_of_the_others() -> None:
    found = deploy(world(PAGE), replicas=2)
    assert found.maintenance == PAGE
    (told,) = [one for one in found.operations if "maintenance page" in str(one)]
    assert told.changes


def test_without_maintenance_no_plan_speaks_of_it() -> None:
    assert deploy(world(None, None)).maintenance is None
    assert not [line for line in deploy(world(None, None)).lines() if "maintenance" in line]


def test_a_rollback_keeps_the_page_too() -> None:
    kept = at_rest("1", "2")
    hosts = tuple(host(one, container(), container(role="previous", release=OLDER)) for one in "12")
    found = plan_rollback(replace(kept, hosts=(showing(hosts[0]), hosts[1])), OWNER, SPEC, service())
    assert (found.release, found.maintenance, found.at_rest) == (OLDER, PAGE, False)
    serving = plan_rollback(replace(kept, hosts=(showing(hosts[0]), hosts[1])), OWNER, SPEC, service(), OLD)
    assert not serving.at_rest, "one droplet does not show the page"


def test_a_page_that_comes_or_changes_moves_the_world() -> None:
    seen = [facts.facts_of(world(page)) for page in (None, PAGE, Maintenance(60, "Another"))]
    for old, new in pairwise(seen):
        (one,) = facts.moved(old, new)
        assert one.what == f"route {DOMAIN} on {A}"
