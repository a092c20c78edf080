"""One after the other: how a container is replaced that may not run beside its successor.

The old one is parked first, so that nobody is current until the new one is proven: that is what tells `Service.settle`
that a change was cut off. No two of them run at any moment; a failure brings the old one back.
"""

from __future__ import annotations

import contextlib

from agent.server.errors import Failure
from agent.server.ports import EngineAbsent, EngineDown, EngineError, Instance, RouterError
from agent.server.slots import Service


def in_turn(*instances: Instance | None) -> bool:
    """Whether these containers of one service must not run at the same time."""
    return any(one.in_turn for one in instances if one)


def replace(service: Service, old: Instance | None, new: Instance) -> None:
    """Stop the old one, start and prove the new one, make it current; or have all as it was.

    Raises:
        Failure: 422 (the new one is not healthy; the old one runs again), 502 (nginx).
    """
    if old is None:
        _begin(service, None, new)
        service.rename(new, "current")
        return
    ran = not old.stopped
    parked = service.rename(old, "parked")
    try:
        _end(service, parked)
        _begin(service, parked, new)
        service.rename(new, "current")
    except EngineDown:
        raise  # nobody can say what runs: the next call settles it
    except (Failure, EngineError) as error:
        raise _bring_back(service, parked, new, ran, _failure(error)) from error


def _end(service: Service, old: Instance) -> None:
    if old.hosts:
        _route(service, None)
    if not old.stopped and old.kind != "scheduled":  # a run ends by itself
        service.end(old)


def _begin(service: Service, old: Instance | None, new: Instance) -> None:
    """Start, prove, route; one that does not pass is stopped."""
    if new.kind != "scheduled":
        _start(service, new)
    if new.hosts or (old and old.hosts):
        _route(service, new)


def _start(service: Service, new: Instance) -> None:
    try:
        service.engine.start(new.full_name)
        service.prove(new)
    except EngineDown:
        raise
    except EngineError as error:
        raise service.not_started(new, error) from error
    except Failure:
        with contextlib.suppress(EngineAbsent):
            service.end(new)
        raise


def _route(service: Service, new: Instance | None) -> None:
    try:
        service.route(new)
    except RouterError as error:
        hint = "See `journalctl -u nginx`, then try again."
        raise Failure(502, "router", f"nginx did not take the routes of {service.name}: {error}", hint) from error


def _bring_back(service: Service, old: Instance, new: Instance, ran: bool, failure: Failure) -> Failure:
    """The old one runs again before it is current again; the failure to tell, with that of the old one if it has one.

    An error of Docker's here leaves the rest to `settle`: no container is started while another may run.
    """
    with contextlib.suppress(EngineAbsent):
        if new.kind != "scheduled":
            service.end(new)
    if ran and old.kind != "scheduled":
        service.engine.start(old.full_name)
    current = service.rename(old, "current")
    if not ran:
        return failure
    try:
        service.prove(current)
        service.route(current)
    except (Failure, RouterError) as error:
        return _both(failure, str(error))
    return failure


def _both(failure: Failure, other: str) -> Failure:
    problem = failure.problem
    message = f"{problem.message} And the one that it should replace did not come back: {other}"
    return Failure(failure.status, problem.code, message, problem.hint, **problem.details).because(problem.symptoms)


def _failure(error: Failure | EngineError) -> Failure:
    if isinstance(error, Failure):
        return error
    return Failure(502, "docker", f"Docker refused: {error}", "See `journalctl -u docker`, then try again.")
