"""What `doctor` looks at: the controller's settings and server, every environment's clouds, every droplet's agent.

All of it is only read. What cannot be looked at is a finding of its own, and hides nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Final

import httpx
import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType, WorkerStatus
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound

import agent
from blocks.digitalocean import DigitalOceanCredentials
from blocks.environment import Environment
from deployments.server import POOL
from deployments.settings import ROOT, Settings
from fleet import checkup, naming
from fleet.checkup import Account, Agent, Ill, Login, Schedule, Token
from fleet.errors import DeployerError
from fleet.pruning import use_of
from fleet.state import Droplet, Host, World
from tasks.agents import reach
from tasks.health import list_environments

AT_ONCE: Final = 32
PATIENCE_SECONDS: Final = 5.0
OBSERVER: Final = "doctor"


def examine(settings: Settings) -> list[Ill]:
    """Everything that is found, the worst first."""
    found = list(checkup.check_login(read_login(settings)))
    try:
        found += checkup.check_schedules(*read_schedules(), datetime.now(UTC))
        environments = list_environments()
    except (httpx.HTTPError, OSError) as error:
        told = f"the Prefect server cannot be asked ({type(error).__name__}), so only the settings were looked at"
        return checkup.in_order([*found, Ill("error", told, settings.ui_url, "python -m deployments up")])
    if not environments:
        found.append(Ill("notice", "there is no environment yet", "blocks", "Put both tokens and the zone into .env."))
    seen = list(map(look, environments))
    found += [ill for one in seen for ill in one.found]
    for credentials, mine in _accounts(seen):
        found += _tried(f"account of {mine[0].title}", partial(_orphans, credentials, mine))
    return checkup.in_order(found)


def read_login(settings: Settings) -> Login:
    """How the door is locked."""
    name, _, password = settings.admin_login.get_secret_value().partition(":")
    path = ROOT / ".env"
    readable = str(path) if path.exists() and path.stat().st_mode & 0o077 else ""
    return Login(name, len(password), checkup.usual(name, password), _is_open(settings), readable)


def _is_open(settings: Settings) -> bool:
    try:
        reply = httpx.get(f"{settings.ui_url}/api/admin/version", timeout=PATIENCE_SECONDS)
    except httpx.TransportError:
        return False
    return reply.status_code == httpx.codes.OK


def read_schedules() -> tuple[list[Schedule], bool]:
    """What should run by itself, as `prefect.yaml` has it, and whether a worker is there."""
    wanted = [
        one["name"] for one in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"] if "schedules" in one
    ]
    with get_client(sync_client=True) as client:
        return [_schedule(client, name) for name in wanted], _works(client)


def _schedule(client: SyncPrefectClient, name: str) -> Schedule:
    try:
        found = client.read_deployment_by_name(f"{name}/{name}")
    except ObjectNotFound:
        return Schedule(name)
    return Schedule(name, found.paused, sum(each.active for each in found.schedules), _due(client, found))


def _due(client: SyncPrefectClient, deployment: DeploymentResponse) -> datetime | None:
    planned = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])))
    runs = client.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id])),
        flow_run_filter=planned,
        sort=FlowRunSort.NEXT_SCHEDULED_START_TIME_ASC,
        limit=1,
    )
    return runs[0].next_scheduled_start_time if runs else None


def _works(client: SyncPrefectClient) -> bool:
    try:
        return any(one.status == WorkerStatus.ONLINE for one in client.read_workers_for_work_pool(POOL))
    except ObjectNotFound:
        return False


class Seen:
    """One environment that was looked at."""

    def __init__(self, environment: Environment) -> None:
        self.environment, self.title = environment, environment.title()
        self.agents: list[Agent] = []
        self.found: list[Ill] = []


def look(environment: Environment) -> Seen:
    """An environment's tokens, firewalls and droplets."""
    seen = Seen(environment)
    seen.found += _tried(seen.title, lambda: _tokens(seen))
    seen.found += _tried(seen.title, lambda: _droplets(seen))
    return seen


def _tokens(seen: Seen) -> Iterator[Ill]:
    cloud, dns = seen.environment.digitalocean.client(), seen.environment.cloudflare.client()
    told, zone = dns.read_token(), seen.environment.cloudflare.zone
    others = sorted(one for one in told.zones if one != zone)
    token = Token(cloud.account.read_missing(), cloud.account.read_excess(), tuple(others), told.expires)
    yield from checkup.check_tokens(token, seen.title, datetime.now(UTC))


def _droplets(seen: Seen) -> Iterator[Ill]:
    environment, spec = seen.environment, seen.environment.spec()
    cloud = environment.digitalocean.client()
    droplets = cloud.droplets.read_tagged(naming.environment_tag(spec))
    walls = cloud.firewalls.read_all()
    edge = environment.cloudflare.client().read_edge_ranges()
    world = World(tuple(map(Host, droplets)), firewalls=tuple(walls), edge=edge)
    yield from checkup.check_firewalls(world, walls, spec)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        seen.agents = list(pool.map(lambda one: ask(one, environment), droplets))
    yield from checkup.check_agents(seen.agents, agent.__version__, seen.title)


def ask(droplet: Droplet, environment: Environment) -> Agent:
    """What a droplet says of itself; it is asked once."""
    try:
        with reach(environment, droplet, any_version=True) as client:
            node, rest = client.node(OBSERVER), client.inventory()
    except DeployerError as error:
        return Agent(droplet.name, error=error.message)
    vitals = {name: (one.verdict, one.reason) for name, one in node.vitals.items()}
    empty = not (node.containers or rest.strangers or rest.volumes)
    return Agent(droplet.name, node.version, vitals, empty)


def _accounts(seen: Sequence[Seen]) -> list[tuple[DigitalOceanCredentials, list[Seen]]]:
    """Each account once, with its environments."""
    found: dict[tuple[str, str], tuple[DigitalOceanCredentials, list[Seen]]] = {}
    for one in seen:
        block = one.environment.digitalocean
        found.setdefault((block.api_url, block.token.get_secret_value()), (block, []))[1].append(one)
    return list(found.values())


def _orphans(credentials: DigitalOceanCredentials, mine: Sequence[Seen]) -> Iterator[Ill]:
    cloud = credentials.client()
    owner, droplets = cloud.account.read_owner(), tuple(cloud.droplets.read_all())
    records = {
        record.id: record
        for one in mine
        for record in one.environment.cloudflare.client().read_records(comment=f"{naming.TAG} {owner} ")
    }
    defaults = {one.title: one.environment.snapshot.snapshot_id for one in mine if one.environment.snapshot}
    account = Account(
        droplets=droplets,
        snapshots=tuple(cloud.snapshots.read_all()),
        records=tuple(records.values()),
        prices={size.slug: size.dollars for size in cloud.account.read_sizes()},
        environments=frozenset(naming.environment_tag(one.environment.spec()) for one in mine),
        empty=frozenset(each.droplet for one in mine for each in one.agents if each.empty),
        use=use_of(droplets, defaults),
    )
    yield from checkup.check_orphans(account, datetime.now(UTC))


def _tried(where: str, look: Callable[[], Iterator[Ill]]) -> list[Ill]:
    try:
        return list(look())
    except DeployerError as error:
        return [Ill("error", f"it could not be looked at: {error.message}", where, error.hint or "Try again.")]
