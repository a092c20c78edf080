"""The current container made anew, of the same release: a fresh file system, fresh secrets, another address.

It is for one that does not serve and that restarts did not mend. The old one is parked first, as where containers take
turns, so that a recreation that was cut off is settled like any other change; should the new one fail, the old is back.
"""

from __future__ import annotations

from agent import wire
from agent.server import rollout, turns
from agent.server.errors import Failure
from agent.server.slots import Service


def recreate(service: Service, spec: wire.ContainerSpec) -> bool:
    """Make the current container anew and wait until it serves; a scheduled one is only made.

    Raises:
        Failure: 404 (there is none), 409 (another release is current, or this one has another specification), 422 (the
            new one does not serve; the old one is current again).
    """
    slots = service.settle()
    current = slots.current
    if current is None:
        message = f"There is no {service.name} on this droplet."
        raise Failure(404, "not_found", message, "Deploy it first.")
    if current.release != spec.release:
        message = f"{service.name} has release {current.release}, not {spec.release}."
        raise Failure(409, "conflict", message, "GET /containers shows what is here.")
    rollout.check_same(current, spec)
    if slots.candidate:
        service.engine.remove(slots.candidate.full_name)
    _forget_doubles(service, spec.release)
    service.wait_run(current)
    turns.replace(service, current, service.engine.create(service.name, spec))
    _forget_doubles(service, spec.release)
    return True


def _forget_doubles(service: Service, release: str) -> None:
    """Removes what else is here of this release; the secrets are those of the current one too, and stay."""
    slots = service.slots()
    for one in (slots.parked, *slots.older):
        if one and one.release == release:
            service.engine.remove(one.full_name, keep_secrets=True)
