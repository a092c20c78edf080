"""Maintenance of a service: visitors get a page, while releases may come and go behind it."""

from __future__ import annotations

from agent import wire
from agent.server.errors import Failure
from agent.server.slots import Service


def begin(service: Service, page: wire.Maintenance) -> bool:
    """Show this page under all names of the service; requests in flight go on to their end.

    Raises:
        Failure: 404 (the service is not here), 409 (it has no name that a page could be shown under).
    """
    current = service.settle().current
    if current is None:
        raise Failure(404, "not_found", f"There is no {service.name} on this droplet.", "Deploy it first.")
    if not current.hosts:
        message = f"{service.name} is a {current.kind} service: it has no name that visitors come to."
        raise Failure(409, "conflict", message, "Only a web service can be under maintenance.")
    return service.show(current, page)


def end(service: Service) -> bool:
    """Send requests to the current container again; one that was stopped meanwhile gets none, and has no routes."""
    current = service.settle().current
    return service.show(None if current is None or current.stopped else current, None)
