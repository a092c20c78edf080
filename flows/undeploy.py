"""The flow `undeploy`: a service, or all of an environment, off one droplet or off all of them, with proof."""

from __future__ import annotations

from prefect.runtime import flow_run

from blocks.environment import Environment
from blocks.service import Service
from tasks import kept, leftovers, manifests, peers, proofs, removal, tombstones
from tasks.locks import WhenLocked
from tasks.runbooks import runbook


def run_name() -> str:
    """Says what goes, and from where."""
    service, environment = (flow_run.parameters.get(name) for name in ("service", "environment"))
    what = service.name if service else "everything"
    where = service.environment if service else environment
    return f"undeploy {what} from {flow_run.parameters.get('droplet') or (where.title() if where else 'nowhere')}"


@runbook("undeploy", run_name)
def undeploy(
    service: Service | None = None,
    environment: Environment | None = None,
    droplet: str | None = None,
    destroy_empty: bool = False,
    remove_volumes: list[str] | None = None,
    when_locked: WhenLocked = "wait",
) -> None:
    """Takes a service, or all of an environment, off one droplet or off all; a second run changes nothing.

    Records go first, then nginx's routes, then, drained, the containers. A droplet that does not answer loses its
    records like the others, is shown as pending, and is finished by `finish-undeploys` once it answers. The run ends
    by asking Docker, nginx, DigitalOcean and Cloudflare again, and fails if anything is left.

    Args:
        service: what to take off; empty: everything of the environment.
        environment: what to take everything off; not needed with a service.
        droplet: name of the only droplet to take it off; empty: all of them.
        destroy_empty: destroy droplets of ours that nothing is left on; with the last one the firewall and the tags go.
        remove_volumes: names of volumes that go with all their data; all others stay.
        when_locked: when another run changes the service, `wait` for its end or `fail` at once.
    """
    where = removal.the_environment(service, environment)
    scope = removal.check(service, environment, droplet, destroy_empty, remove_volumes or [])
    names = removal.domains(service)
    world = leftovers.observe(scope, where, names)
    with removal.locked(removal.decide(scope, world, first=True), scope, world, where, when_locked) as held:
        plan = removal.decide(scope, leftovers.observe(scope, where, names))
        removal.hide(plan, where)
        tombstones.place_all(plan, where)
        failed = removal.clear_all(plan, held, where)
        failed |= manifests.forget_all(scope, plan, held, world, where)
        failed |= removal.end_all(plan, held, where)
        failed |= peers.forget(where)
        left = removal.decide(scope, leftovers.observe(scope, where, names))
        tombstones.place_all(left, where)
        tombstones.settle_all(left, where)
    kept.refresh(where)
    proofs.report(scope, plan, left, failed, where)
