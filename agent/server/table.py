"""The routing table as it should be: pure functions on routes and containers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from agent import wire
from agent.server.errors import Failure
from agent.server.ports import Instance

_STOPPED = frozenset({"exited", "created", "dead"})


NOTHING: Final = wire.Routes(routes=())


def routes_of(instance: Instance, page: wire.Maintenance | None = None) -> tuple[wire.Route, ...]:
    """What nginx should know of a current container; nothing of one that has no port."""
    if instance.port is None:
        return ()
    return tuple(
        wire.Route(
            host=host,
            container=instance.name,
            release=instance.release,
            address=instance.address,
            port=instance.port,
            maintenance=page,
        )
        for host in instance.hosts
    )


def page_of(table: wire.Routes, name: str) -> wire.Maintenance | None:
    """The page that a service's names show; None: they show the service."""
    return next((route.maintenance for route in table.routes if route.container == name and route.maintenance), None)


def with_current(
    table: wire.Routes, name: str, current: Instance | None, page: wire.Maintenance | None = None
) -> wire.Routes:
    """The table in which a service's routes are those of its current container; None takes them out.

    A page stays with them, and `page` is one that comes with them. While there is a page, None takes nothing out: no
    request reaches a container by these routes, and visitors still have to be told.
    """
    shown = page or page_of(table, name)
    return table if current is None and shown else with_page(table, name, current, shown)


def with_page(table: wire.Routes, name: str, current: Instance | None, page: wire.Maintenance | None) -> wire.Routes:
    """The table in which a service's routes are those of this container, with this page or with none."""
    others = [route for route in table.routes if route.container != name]
    return ordered([*others, *(routes_of(current, page) if current else ())])


def derived(instances: Iterable[Instance], table: wire.Routes = NOTHING) -> wire.Routes:
    """The table that the current containers call for, with the pages of the one before.

    A container that was stopped on purpose has no routes, unless they show a page.
    """
    currents = {one.name: one for one in instances if one.role == "current"}
    wanted = wire.Routes(routes=tuple(route for route in table.routes if route.container in currents))
    for name, one in currents.items():
        wanted = with_current(wanted, name, one if one.status not in _STOPPED or one.error else None)
    return wanted


def ordered(routes: Iterable[wire.Route]) -> wire.Routes:
    """A table in the order of its hosts, so that equal tables are equal."""
    return wire.Routes(routes=tuple(sorted(routes, key=lambda route: route.host)))


def check(table: wire.Routes, instances: Iterable[Instance]) -> None:
    """Refuse a table that names a host twice or sends one to a container that is not here.

    Raises:
        Failure: 422 for the first, 409 for the second.
    """
    for host, times in Counter(route.host for route in table.routes).items():
        if times > 1:
            raise Failure(422, "invalid", f"{host} occurs {times} times.", "Name each host once.")
    known = {(one.name, one.release, one.address, one.port) for one in instances}
    for route in table.routes:
        if (route.container, route.release, route.address, route.port) not in known:
            where = f"{route.container} {route.release} at {route.address}:{route.port}"
            raise Failure(409, "conflict", f"{route.host} would go to {where}, which is not here.", "See /containers.")


def foreign_host(hosts: Iterable[str], name: str, instances: Iterable[Instance]) -> tuple[str, str] | None:
    """A host among these that another service's current container serves, and that service."""
    wanted = set(hosts)
    for one in instances:
        if one.name != name and one.role == "current" and (taken := wanted.intersection(one.hosts)):
            return min(taken), one.name
    return None
