"""A release's way in and out: candidate, current, previous, kept. Each step may be killed anywhere, and repeated.

Where two releases may run at once, the candidate is proven beside the current one. Where they may not (`turns`), it is
only made, and is started and proven in its promotion. A scheduled one is made, and starts at its times once current.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from agent import schedule, wire
from agent.server import health, instances, table, turns
from agent.server.errors import Failure
from agent.server.ports import EngineAbsent, EngineDown, EngineError, Instance, RouterError
from agent.server.slots import Service, Slots


def prepare(service: Service, spec: wire.ContainerSpec) -> bool:
    """Start this release beside the current one and wait until it serves; says whether anything was started.

    One that must not run beside the current one is only made. A candidate of another release gives way; a failed one
    of this release is tried afresh. One that fails is stopped and kept as evidence.

    Raises:
        Failure: 409 (the release exists otherwise, or another service has one of the hosts), 404 (no such image),
            422 (not healthy, or a cron line that is none).
    """
    slots = service.settle()
    if slots.current and slots.current.release == spec.release:
        check_same(slots.current, spec)
        return _give_way(service, slots.candidate)
    if any(one.release == spec.release for one in slots.older):
        message = f"{spec.release} is an older release of {service.name}, which is kept here."
        raise Failure(409, "conflict", message, "Roll back to it, or deploy a new release.")
    if slots.candidate and _waits(slots.candidate, slots.current, spec):
        if not turns.in_turn(slots.current, slots.candidate):
            _prove_or_stop(service, slots.candidate)
        return False
    _check(service, spec)
    if slots.candidate:
        service.engine.remove(slots.candidate.full_name)
    made = service.engine.create(service.name, spec)
    if not turns.in_turn(slots.current, made):
        _start_or_stop(service, made)
    return True


def promote(service: Service, release: str, page: wire.Maintenance | None = None) -> bool:
    """Make the candidate current and switch nginx to it; the old one goes on as previous, or has been stopped first.

    A `page` is shown from the first moment of its routes on. What was previous is kept. When the new one or nginx
    fails, the names go back and the old one serves as if nothing had happened.

    Raises:
        Failure: 404 (no such candidate), 409 (a run is going on), 422 (it does not serve), 502 (nginx).
    """
    service = service.with_page(page)
    slots = service.settle()
    if slots.current and slots.current.release == release:
        return _serve_again(service, slots.current)
    candidate = _expect(slots.candidate, release, service.name)
    if not turns.in_turn(slots.current, candidate):
        answered, seen = health.probe(candidate) if candidate.running else (False, f"it is {candidate.status}")
        if not answered:
            raise service.not_healthy(candidate, seen)
    _ready(service, slots.current, candidate)
    _take_over(service, slots, candidate)
    return True


def roll_back(service: Service, release: str, page: wire.Maintenance | None = None) -> bool:
    """Make an older release that was kept current again: started if need be, proven, then switched to.

    A `page` is as for a promotion.

    What served until now is previous then. A candidate goes.

    Raises:
        Failure: 404 (it is not kept), 409 (a run is going on, or another service has one of the hosts by now),
            422 (it does not serve), 502 (nginx).
    """
    service = service.with_page(page)
    slots = service.settle()
    if slots.current and slots.current.release == release:
        return _serve_again(service, slots.current)
    target = next((one for one in slots.older if one.release == release), None)
    if target is None:
        has = f"has kept {', '.join(one.release for one in slots.older)}" if slots.older else "has kept no release"
        message = f"{service.name} {has}, not {release}."
        raise Failure(404, "not_found", message, "GET /containers shows what is here; deploy what is wanted instead.")
    _check_hosts(service, target.hosts)
    if not turns.in_turn(slots.current, target):
        service.engine.start(target.full_name)
        service.prove(target)
    _ready(service, slots.current, target)
    if slots.candidate:
        service.engine.remove(slots.candidate.full_name)
    _take_over(service, slots, target)
    return True


def _ready(service: Service, old: Instance | None, new: Instance) -> None:
    """Before anything is renamed: nginx answers if it will be needed, and no run is going on."""
    if new.hosts or (old and old.hosts):
        service.router.read()
    if old:
        service.wait_run(old)


def _take_over(service: Service, slots: Slots, new: Instance) -> None:
    """Make it current, what was it the previous one, and what was that one more that is kept; or have all as it was."""
    for one in slots.older:
        if one.release != new.release and not one.stopped:
            service.end(one)
    if turns.in_turn(slots.current, new):
        turns.replace(service, slots.current, new)
    else:
        _swap(service, slots.current, new)
    service.finish()


def _serve_again(service: Service, current: Instance) -> bool:
    """The routes of what is current already; one that was stopped is started and proven first, but for a scheduled."""
    if current.running or current.kind == "scheduled":
        return service.route(current)
    service.engine.start(current.full_name)
    service.prove(current)
    service.route(current)
    return True


def _swap(service: Service, old: Instance | None, new: Instance) -> None:
    """Both run: swap the names, then send the requests to the new one; if nginx refuses, the names go back."""
    parked = service.rename(old, "parked") if old else None
    current = service.rename(new, "current")
    try:
        service.route(current)
    except RouterError as error:
        _swap_back(service, parked, current, new.role)
        hint = "The release that served serves on. See `journalctl -u nginx`, then try again."
        raise Failure(502, "router", f"nginx did not take the routes of {service.name}: {error}", hint) from error


def _swap_back(service: Service, parked: Instance | None, new: Instance, role: wire.Role) -> None:
    service.rename(new, role)
    old = service.rename(parked, "current") if parked else None
    with contextlib.suppress(RouterError):  # nginx may be away altogether: it reads its file when it is back
        service.route(old)


def _check(service: Service, spec: wire.ContainerSpec) -> None:
    if spec.cron:
        _check_cron(spec.cron)
    try:
        service.engine.image(spec.image)
    except EngineAbsent:
        message = f"The image {spec.image} is not on this droplet."
        raise Failure(404, "image_missing", message, "Load, build or pull it first.") from None
    ours = (service.name, f"{service.name}.")
    if foreign := [one for one in service.engine.strangers() if one == ours[0] or one.startswith(ours[1])]:
        message = f"A container {foreign[0]} is there, and was not made by this agent."
        raise Failure(409, "conflict", message, "Rename or remove it if it is not needed, then deploy again.")
    _check_hosts(service, spec.hosts)


def _check_hosts(service: Service, hosts: Sequence[str]) -> None:
    if taken := table.foreign_host(hosts, service.name, service.engine.instances()):
        host, owner = taken
        message = f"{host} is served by {owner} on this droplet."
        raise Failure(409, "conflict", message, "Undeploy that service, or choose another domain.")


def _check_cron(cron: wire.Cron) -> None:
    try:
        schedule.check(cron)
    except ValueError as error:
        hint = "Write minute, hour, day of month, month and day of week, e.g. 30 4 * * 1-5."
        raise Failure(422, "invalid", f"{cron.expression!r} cannot be kept: {error}.", hint) from error


def check_same(instance: Instance, spec: wire.ContainerSpec) -> None:
    """Whether a release has the specification that it had when it was made.

    Raises:
        Failure: 409, it has another one.
    """
    if instance.pinned != instances.pinned(spec):
        message = f"{instance.full_name} is release {spec.release} already, with another specification."
        raise Failure(409, "conflict", message, "A release never changes: deploy a new one.")


def _waits(candidate: Instance, current: Instance | None, spec: wire.ContainerSpec) -> bool:
    """Whether the candidate is this release, and is as it should be until it is promoted."""
    if candidate.release != spec.release:
        return False
    check_same(candidate, spec)
    return candidate.status == "created" if turns.in_turn(current, candidate) else candidate.running


def _give_way(service: Service, candidate: Instance | None) -> bool:
    """The release that serves is wanted again: a candidate that still runs is no evidence, and nobody promotes it."""
    if candidate is None or candidate.stopped:
        return False
    service.engine.remove(candidate.full_name)
    return True


def _start_or_stop(service: Service, made: Instance) -> None:
    try:
        service.engine.start(made.full_name)
    except EngineDown:
        raise
    except EngineError as error:
        raise service.not_started(made, error) from error
    _prove_or_stop(service, made)


def _prove_or_stop(service: Service, candidate: Instance) -> None:
    try:
        service.prove(candidate)
    except Failure:
        with contextlib.suppress(EngineAbsent):
            service.engine.stop(candidate.full_name, instances.STOP_SECONDS)
        raise


def _expect(candidate: Instance | None, release: str, name: str) -> Instance:
    if candidate is None or candidate.release != release:
        has = f"has {candidate.release}" if candidate else "has none"
        message = f"{name} {has} as candidate, not {release}."
        raise Failure(404, "not_found", message, "GET /containers shows what is here; prepare the release first.")
    return candidate
