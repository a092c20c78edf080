"""The routing table as it should be: pure functions on routes and containers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from agent import wire
from agent.server.errors import Failure
from agent.server.ports import Instance

_STOPPED = frozenset({"exited", "created", "dead"})


def routes_of(instance: Instance) -> tuple[wire.Route, ...]:
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
        )
        for host in instance.hosts
    )


def with_current(table: wire.Routes, name: str, current: Instance | None) -> wire.Routes:
    """The table in which a service's routes are those of its current container; None takes them out."""
    others = [route for route in table.routes if route.container != name]
    return ordered([*others, *(routes_of(current) if current else ())])


def derived(instances: Iterable[Instance]) -> wire.Routes:
    """The table that the current containers call for; one that was stopped on purpose has no routes."""
    serving = (one for one in instances if one.role == "current" and (one.status not in _STOPPED or one.error))
    return ordered(route for one in serving for route in routes_of(one))


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
