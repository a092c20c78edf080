"""What is there of a service or of an environment, asked of everybody who could know: agents, DigitalOcean, Cloudflare.

An undeploy begins with this look, and ends with it: what it took away is proven to be gone by asking again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from agent.client import AgentClient, AgentProblem
from blocks.environment import Environment
from fleet import naming
from fleet.cloud.ports import Cloud
from fleet.errors import DeployerError, TransientError
from fleet.removal import Scope, idle_tombstones
from fleet.state import Droplet, Host, Inventory, Record, Route, World
from tasks import agents
from tasks.policy import step

AT_ONCE = 32
LOOKS, LOOK_SECONDS = 2, 1.0
"""How often, and how far apart, a droplet is asked before it counts as silent."""
NOT_ASKED = "it was not asked"


@step("{environment.project}-{environment.name}: look at everything", timeout=timedelta(minutes=5))
def observe(scope: Scope, environment: Environment, domains: Sequence[str] = ()) -> World:
    """The droplets of the environment with what is on those that are meant, and all that bears the names meant.

    Args:
        scope: what is to go.
        environment: where.
        domains: names whose records are looked at too, whoever made them.
    """
    cloud = environment.digitalocean.client()
    found = cloud.droplets.read_tagged(naming.environment_tag(scope.environment))
    hosts = look(found, [one for one in found if scope.droplet in (None, one.name)], cloud, environment)
    firewall = cloud.firewalls.read(naming.firewall(scope.environment))
    return World(
        hosts=hosts,
        records=_records(scope, environment, domains),
        firewalls=(firewall,) if firewall else (),
        tags=cloud.tags.read_all() if scope.destroy_empty else {},
    )


@step("{environment.project}-{environment.name}: look at what is pending", timeout=timedelta(minutes=5))
def observe_pending(environment: Environment) -> World:
    """The droplets of the environment, with what is on those that carry a tombstone; empty when there is none at all.

    A tombstone that no droplet carries counts too: a run was killed between taking it off and deleting it.
    """
    cloud, spec = environment.digitalocean.client(), environment.spec()
    found, tags = cloud.droplets.read_tagged(naming.environment_tag(spec)), cloud.tags.read_all()
    pending = [one for one in found if naming.tombstones(one.tags)]
    if not pending and not idle_tombstones(World((), tags=tags)):
        return World(())
    firewall = cloud.firewalls.read(naming.firewall(spec))
    hosts = look(found, pending, cloud, environment)
    return World(hosts=hosts, firewalls=(firewall,) if firewall else (), tags=tags)


@step("whose account {environment.project}-{environment.name} is in")
def read_owner(environment: Environment) -> str:
    """What stands for the account in the names of all that is ours."""
    return environment.digitalocean.client().account.read_owner()


def look(
    found: Iterable[Droplet], meant: Sequence[Droplet], cloud: Cloud, environment: Environment
) -> tuple[Host, ...]:
    """The droplets, those that are meant with what is on them; without those that are gone, whatever the list says."""
    ours = [one for one in meant if naming.is_our_droplet(one.tags)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        seen = {host.droplet.id: host for host in pool.map(lambda one: ask(one, environment), ours)}
    gone = {host.droplet.id for host in seen.values() if host.error and cloud.droplets.read(host.droplet.id) is None}
    return tuple(seen.get(one.id, Host(one, error=NOT_ASKED)) for one in found if one.id not in gone)


def ask(droplet: Droplet, environment: Environment) -> Host:
    """What is on a droplet; one that does not say all of it counts as silent, with the reason."""
    error = ""
    for number in range(LOOKS):
        time.sleep(LOOK_SECONDS if number else 0)
        try:
            with agents.reach(environment, droplet) as agent:
                return _host(droplet, agent)
        except DeployerError as failure:
            error = failure.message
    return Host(droplet, error=error)


def check_seen(host: Host) -> None:
    """Whether a droplet has said what is on it.

    Raises:
        TransientError: it has not.
    """
    if host.error:
        raise TransientError(f"{host.droplet.name} cannot be seen: {host.error}")


def _host(droplet: Droplet, agent: AgentClient) -> Host:
    containers = tuple(agents.container(seen) for seen in agent.containers().containers)
    routes = tuple(Route(one.host, one.container, one.release) for one in agent.routes().routes)
    return Host(droplet, containers, routes=routes, inventory=_inventory(agent))


def _inventory(agent: AgentClient) -> Inventory | None:
    try:
        found = agent.inventory()
    except AgentProblem as error:
        if error.problem.code != "not_found":
            raise
        return None  # an agent from before there was such a question
    return Inventory(found.strangers, found.volumes, found.unused)


def _records(scope: Scope, environment: Environment, domains: Sequence[str]) -> tuple[Record, ...]:
    dns, spec = environment.cloudflare.client(), scope.environment
    whole = naming.environment_mark(scope.owner, spec)
    mark = f"{whole}{scope.service} " if scope.service else whole
    found = dns.read_records(comment=mark) + [one for name in domains for one in dns.read_records(name=name)]
    return tuple({record.id: record for record in found}.values())
