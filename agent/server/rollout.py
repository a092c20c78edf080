"""A release's way in and out: candidate, current, previous. Each step may be killed anywhere, and repeated."""

from __future__ import annotations

import contextlib

from agent import wire
from agent.server import health, instances, table
from agent.server.errors import Failure
from agent.server.ports import EngineAbsent, EngineDown, EngineError, Instance, RouterError
from agent.server.slots import STOP_SECONDS, Service, Slots


def prepare(service: Service, spec: wire.ContainerSpec) -> bool:
    """Start this release beside the current one and wait until it serves; says whether anything was started.

    A candidate of another release gives way; a failed one of this release is tried afresh. One that fails is
    stopped and kept as evidence.

    Raises:
        Failure: 409 (the release exists otherwise, or another service has one of the hosts), 404 (no such image),
            422 (not healthy).
    """
    slots = service.settle()
    if slots.current and slots.current.release == spec.release:
        _same(slots.current, spec)
        return False
    if slots.previous and slots.previous.release == spec.release:
        message = f"{spec.release} is the previous release of {service.name}."
        raise Failure(409, "conflict", message, "Roll back to it, or deploy a new release.")
    if _waiting(slots.candidate, spec):
        _prove_or_stop(service, slots.candidate)
        return False
    _check(service, spec)
    if slots.candidate:
        service.engine.remove(slots.candidate.full_name)
    made = service.engine.create(service.name, spec)
    _start_or_stop(service, made)
    return True


def promote(service: Service, release: str) -> bool:
    """Make the candidate current and switch nginx to it; the old one goes on as previous.

    When nginx does not take the new table, the names go back and the old one serves as if nothing had happened.

    Raises:
        Failure: 404 (no such candidate), 422 (it does not serve any more), 502 (nginx).
    """
    slots = service.settle()
    if slots.current and slots.current.release == release:
        return _serve_again(service, slots.current)
    candidate = _expect(slots.candidate, release, service.name, "candidate")
    answered, seen = health.probe(candidate) if candidate.running else (False, f"it is {candidate.status}")
    if not answered:
        raise service.not_healthy(candidate, seen)
    service.router.read()  # nginx must answer before anything is renamed
    if slots.current and slots.previous:
        _let_go(service, slots.previous)
    _swap(service, slots.current, candidate)
    return True


def roll_back(service: Service, release: str) -> bool:
    """Make the previous release current again: started if need be, proven, then switched to.

    Raises:
        Failure: 404 (it is not there), 422 (it does not serve), 502 (nginx).
    """
    slots = service.settle()
    if slots.current and slots.current.release == release:
        return _serve_again(service, slots.current)
    previous = _expect(slots.previous, release, service.name, "previous")
    service.engine.start(previous.full_name)
    service.prove(previous)
    service.router.read()
    if slots.candidate:
        service.engine.remove(slots.candidate.full_name)
    if slots.current:
        service.engine.rename(slots.current, "candidate")
    service.engine.rename(previous, "current")
    service.engine.rename(slots.current, "previous") if slots.current else None
    _switch(service, undo=Slots(current=slots.current, previous=previous))
    return True


def _serve_again(service: Service, current: Instance) -> bool:
    """The routes of what is current already; one that was stopped is started and proven first."""
    if current.running:
        return service.route(current)
    service.engine.start(current.full_name)
    service.prove(current)
    service.route(current)
    return True


def _swap(service: Service, old: Instance | None, new: Instance) -> None:
    if old:
        service.engine.rename(old, "previous")
    service.engine.rename(new, "current")
    _switch(service, undo=Slots(current=old, candidate=new))


def _switch(service: Service, undo: Slots) -> None:
    """Send the requests to what is current now; if nginx refuses, give the names of `undo` back."""
    try:
        service.route(service.slots().current)
    except RouterError as error:
        _rename_back(service, undo)
        with contextlib.suppress(RouterError):  # nginx may be away altogether: it reads its file when it is back
            service.route(undo.current)
        hint = "The release that served serves on. See `journalctl -u nginx`, then try again."
        raise Failure(502, "router", f"nginx did not take the routes of {service.name}: {error}", hint) from error


def _rename_back(service: Service, undo: Slots) -> None:
    """The old names again: first out of the way, then each to its own."""
    if undo.candidate:
        service.engine.rename(undo.candidate, "candidate")
        if undo.current:
            service.engine.rename(undo.current, "current")
    elif undo.previous and undo.current:
        service.engine.rename(undo.previous, "candidate")
        service.engine.rename(undo.current, "current")
        service.engine.rename(undo.previous, "previous")


def _check(service: Service, spec: wire.ContainerSpec) -> None:
    try:
        service.engine.image(spec.image)
    except EngineAbsent:
        message = f"The image {spec.image} is not on this droplet."
        raise Failure(404, "image_missing", message, "Load, build or pull it first.") from None
    if taken := table.foreign_host(spec.hosts, service.name, service.engine.instances()):
        host, owner = taken
        message = f"{host} is served by {owner} on this droplet."
        raise Failure(409, "conflict", message, "Undeploy that service, or choose another domain.")


def _same(instance: Instance, spec: wire.ContainerSpec) -> None:
    if instance.pinned != instances.pinned(spec):
        message = f"{instance.full_name} is release {spec.release} already, with another specification."
        raise Failure(409, "conflict", message, "A release never changes: deploy a new one.")


def _waiting(candidate: Instance | None, spec: wire.ContainerSpec) -> bool:
    if candidate is None or candidate.release != spec.release:
        return False
    _same(candidate, spec)
    return candidate.running


def _start_or_stop(service: Service, made: Instance) -> None:
    try:
        service.engine.start(made.full_name)
    except EngineDown:
        raise
    except EngineError as error:
        raise service.not_healthy(made, f"Docker could not start it: {error}") from error
    _prove_or_stop(service, made)


def _prove_or_stop(service: Service, candidate: Instance | None) -> None:
    if candidate is None:
        return
    try:
        service.prove(candidate)
    except Failure:
        with contextlib.suppress(EngineAbsent):
            service.engine.stop(candidate.full_name, STOP_SECONDS)
        raise


def _expect(instance: Instance | None, release: str, name: str, role: wire.Role) -> Instance:
    if instance is None or instance.release != release:
        has = f"has {instance.release}" if instance else "has none"
        message = f"{name} {has} as {role}, not {release}."
        raise Failure(404, "not_found", message, "GET /containers shows what is here; prepare the release first.")
    return instance


def _let_go(service: Service, old: Instance) -> None:
    """Make room: what was previous before this promotion, its last requests answered."""
    if old.running:
        service.drain(old)
        service.engine.stop(old.full_name, STOP_SECONDS)
    service.engine.remove(old.full_name)
