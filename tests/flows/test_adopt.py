"""A controller that has lost its database, and another beside it: the same services, and nothing that serves moves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest
from prefect.client.orchestration import get_client

from agent import wire
from agent.client import AgentClient, AgentProblem
from blocks.cloudflare import CloudflareCredentials
from blocks.digitalocean import DigitalOceanCredentials
from blocks.environment import Environment
from blocks.service import Service
from blocks.snapshot import Snapshot
from fleet.errors import InvalidInput, PermanentError, TransientError
from flows.adopt import adopt
from flows.deploy import deploy
from flows.roll import roll
from flows.undeploy import undeploy
from tasks.agents import Leased, reach
from tests.flows.artifacts import latest
from tests.flows.fleet_of_fakes import OPEN, Fleet
from tests.flows.test_roll import KNOWN, saved, target
from tests.flows.undeploying import shop

SECRET = "hunter2-the-password"
REPORT = "adopt-demo-prod"


def delete(*slugs: str) -> None:
    """As if the database were empty."""
    with get_client(sync_client=True) as client:
        for slug in slugs:
            for document in client.read_block_documents_by_type(slug):
                client.delete_block_document(document.id)


@pytest.fixture
def environment(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> Iterator[Environment]:
    """The environment as `up` makes it on an empty database; what is loaded reaches the fakes too."""
    monkeypatch.setattr(DigitalOceanCredentials, "client", lambda block: OPEN[block.api_url].cloud)
    monkeypatch.setattr(CloudflareCredentials, "client", lambda block: OPEN[block.api_url].dns)
    for block in (Snapshot, Environment, Service):
        block.register_type_and_schema()
    delete("service", "environment", "snapshot")
    Snapshot.of(fleet.snapshot).save("demo-base", overwrite=True)
    yield renewed(fleet)
    delete("service", "environment", "snapshot")


def renewed(fleet: Fleet, **changes: Any) -> Environment:
    """The block, saved."""
    made = fleet.environment(snapshot=None, **changes)
    made.save("demo-prod", overwrite=True)
    return made


def lost(fleet: Fleet, service: Service) -> Environment:
    """The service is deployed as its saved block says, and then the database is lost."""
    service.save("greeter", overwrite=True)
    deploy(cast(Service, Service.load("greeter")))
    delete("service", "environment", "snapshot")
    return renewed(fleet)


def with_secret(fleet: Fleet, **changes: Any) -> Service:
    """The service, with a secret, in an environment that somebody has chosen about."""
    environment = fleet.environment(approval=False, lease_seconds=90)
    return fleet.service(secrets={"API_KEY": SECRET}, environment=environment, keep_releases=3, **changes)


def kept(fleet: Fleet) -> list[dict[str, str]]:
    """The releases of the manifests on each droplet that is there, by service."""
    found = []
    for droplet in sorted(fleet.droplets.all.values(), key=lambda one: one.name):
        with reach(fleet.environment(), droplet) as agent:
            found.append({one.name.rpartition("_")[2]: one.release for one in agent.manifests().manifests})
    return found


def serving(fleet: Fleet) -> list[object]:
    """What visitors notice: containers, routes and records."""
    return [*((machine.ids, str(machine.router.table)) for machine in fleet.machines), fleet.records]


def documents() -> set[str]:
    """The services that have a block."""
    with get_client(sync_client=True) as client:
        return {str(one.name) for one in client.read_block_documents_by_type("service")}


@pytest.mark.engine
def test_after_the_database_is_lost_the_service_is_adopted_and_with_its_secret_a_deploy_has_nothing_to_do(
    fleet: Fleet, environment: Environment
) -> None:
    environment = lost(fleet, with_secret(fleet))
    release, before = fleet.machines[0].releases["current"], serving(fleet)
    adopt(environment)
    page = latest(REPORT)
    assert f"| hello | ✅ block greeter | {release} | demo-prod-" in page
    assert "| hello | API_KEY |" in page
    assert "- lease_seconds is 90 again" in page
    assert "- its default snapshot is demo-base again" in page
    assert SECRET not in page
    found = cast(Service, Service.load("greeter"))
    assert (found.missing(), found.keep_releases, found.environment.lease_seconds) == (["API_KEY"], 3, 90)
    with pytest.raises(InvalidInput, match=r"hello: these secrets are missing.*: API_KEY\."):
        deploy(found)
    found.secrets = with_secret(fleet).secrets
    found.save("greeter", overwrite=True)
    deploy(cast(Service, Service.load("greeter")))
    assert serving(fleet) == before
    assert "nothing to do" in latest("deploy-demo-prod-hello")
    adopt(environment)
    assert "✅ nothing to do" in latest(REPORT)
    assert (serving(fleet), documents()) == (before, {"greeter"})


@pytest.mark.engine
def test_the_plan_alone_writes_nothing(fleet: Fleet, environment: Environment) -> None:
    environment = lost(fleet, with_secret(fleet))
    adopt(environment, plan_only=True)
    assert documents() == set()
    assert "📋 only what was found" in latest(REPORT)
    assert "| hello | to be adopted |" in latest(REPORT)
    assert cast(Environment, Environment.load("demo-prod")).lease_seconds == 60


@pytest.mark.engine
def test_a_droplet_that_cannot_be_seen_stops_it_unless_it_is_left_out(fleet: Fleet, environment: Environment) -> None:
    environment = lost(fleet, with_secret(fleet))
    fleet.machines[0].silence()
    for droplet in list(fleet.droplets.all.values()):
        fleet.droplets.all[droplet.id] = droplet.__class__(**{**vars(droplet), "created_at": fleet.snapshot.created_at})
    with pytest.raises(TransientError, match=f"nothing has been written: {fleet.machines[0].name}"):
        adopt(environment)
    assert documents() == set()
    adopt(environment, without_silent=True)
    assert documents() == {"greeter"}


@pytest.mark.engine
def test_an_adoption_that_is_cut_off_is_finished_by_the_next_and_what_is_there_stays(
    fleet: Fleet, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost(fleet, with_secret(fleet))
    environment = lost(fleet, shop(fleet))
    original = Service.save

    def cut_off(block: Service, name: str, **how: Any) -> Any:
        if block.name == "shop":
            raise PermanentError("the machine went down")
        return original(block, name, **how)

    with monkeypatch.context() as patch:
        patch.setattr(Service, "save", cut_off)
        with pytest.raises(PermanentError, match=r"shop: the machine went down"):
            adopt(environment)
    assert documents() == {"greeter"}
    mine = cast(Service, Service.load("greeter"))
    mine.replicas = 1
    mine.save("greeter", overwrite=True)
    adopt(environment)
    assert documents() == {"greeter", "demo-prod-shop"}, "greeter was taken"
    assert cast(Service, Service.load("greeter")).replicas == 1


@pytest.mark.engine
def test_a_second_controller_sees_who_holds_the_lock_and_its_deploy_fails_naming_them(
    fleet: Fleet, environment: Environment
) -> None:
    environment = lost(fleet, fleet.service())
    droplet = next(iter(fleet.droplets.all.values()))
    name = next(iter(fleet.machines[0].engine.instances())).name
    with reach(environment, droplet) as agent:
        agent.take_lease(name, wire.LeaseRequest(holder="deploy hello (1) on the laptop", seconds=600))
    adopt(environment)
    assert f"- {name} on {droplet.name}: deploy hello (1) on the laptop, since " in latest(REPORT)
    before = serving(fleet)
    with pytest.raises(Leased, match="deploy hello \\(1\\) on the laptop"):
        deploy(cast(Service, Service.load("greeter")), when_locked="fail")
    assert serving(fleet) == before


def test_every_droplet_of_the_environment_keeps_the_manifest_and_forgets_it_with_the_service(fleet: Fleet) -> None:
    deploy(fleet.service(2))
    release = fleet.machines[0].releases["current"]
    assert kept(fleet) == [{"hello": release}] * 2
    deploy(fleet.service(1))
    assert kept(fleet) == [{"hello": release}] * 2, "the droplet that was left keeps it too"
    for _ in range(2):
        undeploy(fleet.service(1))
        assert kept(fleet) == [{}] * 2


def test_a_deploy_that_changes_nothing_that_serves_leaves_what_the_block_says_now(fleet: Fleet) -> None:
    deploy(fleet.service(1))
    before = serving(fleet)
    deploy(fleet.service(1, soak_minutes=5))
    assert serving(fleet) == before
    with reach(fleet.environment(), next(iter(fleet.droplets.all.values()))) as agent:
        (found,) = agent.manifests().manifests
    assert '"soak_minutes": 5' in found.document


def test_a_roll_hands_the_manifests_on(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.rolls.list_services", lambda _: list(KNOWN.values()))
    deploy(saved(fleet.service(1)))
    release = fleet.machines[0].releases["current"]
    roll(fleet.environment(), target(fleet))
    KNOWN.clear()
    assert kept(fleet) == [{"hello": release}]


def test_an_agent_of_the_version_before_is_told_of_and_fails_no_deploy(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(_: AgentClient) -> wire.Manifests:
        raise AgentProblem(wire.Problem(code="not_found", message="There is no such route.", hint=""))

    monkeypatch.setattr(AgentClient, "manifests", unknown)
    deploy(fleet.service(1))
    page = latest("deploy-demo-prod-hello")
    assert "✅ deployed" in page
    assert "its agent is too old to keep any: run `upgrade-agents`" in page
