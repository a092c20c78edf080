"""What else can be done to a service's containers, and the lists of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from agent import wire
from agent.runs import Runs
from agent.server import instances, table
from agent.server.errors import Failure
from agent.server.manifests import Manifests
from agent.server.ports import Count, Engine, EngineError, Instance, Router, RouterError, full_name
from agent.server.slots import Service


def stop(service: Service, wanted: wire.Stop) -> bool:
    """Stop one role once its last request has ended; the current one loses its routes first.

    Of a scheduled container it ends the run that is going on; the next one starts at its time.

    Raises:
        Failure: 404 (a current or candidate one is not there), 409 (the role has another release).
    """
    instance: Instance | None = getattr(service.settle(), wanted.role)
    if instance is None:
        if wanted.role == "previous":
            return False
        raise _absent(service.name, wanted.role)
    if wanted.release and instance.release != wanted.release:
        message = f"{instance.full_name} has release {instance.release}, not {wanted.release}."
        raise Failure(409, "conflict", message, "GET /containers shows what is here.")
    changed = wanted.role == "current" and service.route(None)
    if instance.status in {"exited", "created"}:
        return changed
    service.end(instance)
    return True


def start(service: Service) -> bool:
    """Start the current container, prove it, and give it its routes; of a scheduled one, a run out of turn.

    Raises:
        Failure: 404 (there is none), 422 (it does not serve).
    """
    current = service.settle().current
    if current is None:
        raise _absent(service.name, "current")
    service.engine.start(current.full_name)
    service.prove(current)
    return service.route(current) or not current.running


def restart(service: Service) -> bool:
    """Restart the current container and wait until it serves again.

    Of a scheduled one it ends the run that is going on and starts no other: a run is never repeated unasked.

    Raises:
        Failure: 404 (there is none), 422 (it does not serve).
    """
    current = service.settle().current
    if current is None:
        raise _absent(service.name, "current")
    if current.kind == "scheduled":
        return stop(service, wire.Stop())
    service.engine.restart(current.full_name, instances.STOP_SECONDS)
    service.prove(current)
    service.route(current)
    return True


def remove(service: Service, runs: Runs | None = None, manifests: Manifests | None = None) -> bool:
    """Take the service off the droplet: its routes, then, drained, all its containers, the current one last.

    Extra containers of overlapping runs, the records in `runs` and the manifest go too; named volumes stay.
    """
    slots = service.slots()
    changed = service.show(None, None)
    for instance in (slots.candidate, *slots.older, slots.parked, slots.current):
        if instance is None:
            continue
        if not instance.stopped:
            service.end(instance)
        service.engine.remove(instance.full_name)
        changed = True
    changed = service.engine.remove_runs(service.name) > 0 or changed
    changed = (manifests is not None and manifests.remove(service.name)) or changed
    return (runs is not None and runs.remove(service.name)) or changed


def remove_volume(service: Service, volume: str) -> bool:
    """Remove a named volume and all that is in it; none is fine.

    Raises:
        Failure: 409, a container of the service uses it.
    """
    try:
        return service.engine.remove_volume(service.name, volume)
    except EngineError as error:
        if error.status != 409:
            raise
        message = f"The volume {instances.volume_name(service.name, volume)} is in use: {error}"
        raise Failure(
            409, "conflict", message, "Undeploy the service first; its data is lost with the volume."
        ) from error


def remove_candidate(service: Service) -> bool:
    """Remove the candidate, running or not; none is fine."""
    candidate = service.settle().candidate
    if candidate is None:
        return False
    service.engine.remove(candidate.full_name)
    return True


def reconcile(engine: Engine, router: Router) -> int:
    """At the agent's start: settle every service, start what the last boot could not, and mend nginx's table.

    Returns the number of routes; raises EngineDown or RouterError, and is then to be repeated.
    """
    for name in {one.name for one in engine.instances()}:
        for instance in Service(engine, router, name).settle().all:
            if instance.role == "current" and instance.error and instance.stopped and instance.kind != "scheduled":
                engine.start(instance.full_name)
    router.update(lambda now: table.derived(engine.instances(), now))
    return len(router.read().routes)


Judge = Callable[[Instance], wire.Verdict]
Told = Callable[[Instance], wire.Watch | None]


def describe(
    found: Iterable[Instance], router: Router, judge: Judge | None = None, told: Told = lambda one: None
) -> tuple[wire.Container, ...]:
    """Containers as the protocol has them; counters are 0 when nginx does not answer."""
    try:
        counts, routes = router.counts(), router.read()
    except RouterError:
        counts, routes = (), table.NOTHING
    known = {(one.container, one.release): one for one in counts}
    described = ((one, _container(one, known.get((one.name, one.release)), routes, judge)) for one in found)
    return tuple(container.model_copy(update={"watch": told(one)}) for one, container in described)


def _container(one: Instance, count: Count | None, routes: wire.Routes, judge: Judge | None) -> wire.Container:
    return wire.Container(
        name=one.name,
        role=one.role,
        kind=one.kind,
        release=one.release,
        image=one.image,
        status=one.status,
        started_at=one.started_at,
        restarts=one.restarts,
        hosts=one.hosts,
        port=one.port,
        address=one.address,
        memory_mib=one.memory_mib,
        requests_in_flight=max(count.in_flight, 0) if count and one.running else 0,
        requests_total=count.total if count else 0,
        requests_errors=count.errors if count else 0,
        requests_seconds=count.seconds if count else 0.0,
        maintenance=one.role == "current" and table.page_of(routes, one.name) is not None,
        verdict=judge(one) if judge else None,
    )


def _absent(name: str, role: wire.Role) -> Failure:
    return Failure(404, "not_found", f"There is no {full_name(name, role)} on this droplet.", "Deploy it first.")
