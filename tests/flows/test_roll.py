"""The flow `roll`, with real agents on fake droplets."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from agent.client import AgentClient
from agent.server import leases
from agent.server.settings import Limits
from blocks.environment import Environment
from blocks.service import Service
from blocks.snapshot import Snapshot
from fleet import naming
from fleet.errors import HostsFailed, InvalidInput
from flows.deploy import deploy
from flows.roll import roll
from tests.fakes.deaths import Death
from tests.flows.artifacts import latest
from tests.flows.fleet_of_fakes import DOMAIN, Fleet
from tests.flows.machines import Machine
from tests.flows.test_kept import Usage
from tests.flows.test_undeploy_kills import LEASE
from tests.flows.ward import grown
from tests.unit.agent.test_leases import Clock

REPORT = "roll-demo-prod"
KNOWN: dict[str, Service] = {}
"""The blocks of a test, by name; one that is marked `engine` has them in Prefect."""


@pytest.fixture(autouse=True)
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No service of another test has a block."""
    if not request.node.get_closest_marker("engine"):
        monkeypatch.setattr("tasks.rolls.list_services", lambda _: list(KNOWN.values()))
        yield
        KNOWN.clear()
        return
    request.getfixturevalue("prefect")
    yield
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        for one in client.read_block_documents_by_type(Service.get_block_type_slug()):
            client.delete_block_document(one.id)


def saved(service: Service) -> Service:
    """The same, with a block."""
    KNOWN[service.name] = service
    return service


def deployed(fleet: Fleet, replicas: int = 2) -> Service:
    """The service on so many droplets."""
    service = saved(fleet.service(replicas=replicas))
    deploy(service)
    return service


def target(fleet: Fleet, name: str = "demo-new") -> Snapshot:
    """Another snapshot."""
    known = {one.name: one for one in fleet.cloud.snapshots.read_all()}
    found = known.get(name) or fleet.cloud.snapshots.add(name, tags=naming.snapshot_tags("base"))
    return Snapshot.of(found)


def there(fleet: Fleet) -> list[Machine]:
    """The machines that were not destroyed."""
    names = {one.name for one in fleet.droplets.all.values()}
    return [machine for machine in fleet.machines if machine.name in names]


def check_rolled(fleet: Fleet, to: Snapshot, release: str, replicas: int = 2) -> None:
    """So many droplets from the snapshot serve the release, and nothing else is left."""
    assert {one.image for one in fleet.droplets.all.values()} == {to.snapshot_id}
    assert [machine.releases for machine in there(fleet)] == [{"current": release}] * replicas
    assert fleet.records == sorted((DOMAIN, machine.address) for machine in there(fleet))
    assert fleet.serving == {release}


@pytest.mark.engine
def test_every_droplet_gives_way_with_the_release_that_serves_and_a_second_run_touches_nothing(fleet: Fleet) -> None:
    deployed(fleet).save("hello", overwrite=True)
    before, release = {machine.name for machine in fleet.machines}, fleet.machines[0].releases["current"]
    to = target(fleet)
    roll(fleet.environment(), to)
    check_rolled(fleet, to, release)
    assert not before & {machine.name for machine in there(fleet)}
    changes = fleet.changes
    roll(fleet.environment(), to)
    assert fleet.changes == changes
    assert "nothing to do" in latest(REPORT)


def test_a_deploy_after_a_roll_uses_the_new_droplets(fleet: Fleet) -> None:
    deployed(fleet)
    to = target(fleet)
    roll(fleet.environment(), to)
    fleet.write("two")
    deploy(fleet.service(), to)
    assert len(fleet.droplets.all) == 2
    assert len(fleet.serving) == 1


def test_a_plan_alone_changes_nothing(fleet: Fleet) -> None:
    deployed(fleet)
    before = fleet.changes
    roll(fleet.environment(), target(fleet), plan_only=True)
    assert fleet.changes == before
    assert latest("plan-demo-prod-roll").count("create a droplet from") == 2


def test_a_record_leads_to_the_old_droplet_until_the_new_one_serves(fleet: Fleet) -> None:
    deployed(fleet, replicas=1)
    seen: list[int] = []
    fleet.dns.faults.watch = lambda call: seen.append(len(fleet.visit(DOMAIN))) if call == "dns.remove" else None
    fleet.cloud.faults.watch = lambda _: seen.append(len(fleet.visit(DOMAIN)))
    roll(fleet.environment(), target(fleet))
    assert set(seen) <= {1, 2}
    assert 2 in seen
    assert {status for status, _ in fleet.visit(DOMAIN)} == {200}


def test_every_kind_of_service_moves(fleet: Fleet) -> None:
    fleet.droplets._boot = grown(fleet.droplets._boot)
    deployed(fleet, replicas=1)
    kinds: dict[str, dict[str, Any]] = {
        "ticker": {"kind": "worker", "exclusive": True, "steady_seconds": 1},
        "cache": {"kind": "tcp", "port": 6379, "start_seconds": 5},
        "nightly": {"kind": "scheduled", "cron": "0 4 * * *"},
    }
    for name, runs in kinds.items():
        deploy(saved(fleet.service(replicas=1, name=name, runs=runs, memory_mib=64)))
    assert len(fleet.droplets.all) == 1
    roll(fleet.environment(), target(fleet))
    (new,) = there(fleet)
    services = {naming.service_of(one.name): one.role for one in new.engine.instances()}
    assert services == dict.fromkeys(["hello", *kinds], "current")
    assert [(one.service, one.droplet) for one in new.table.read().peers] == [("cache", new.name)]


def test_a_new_droplet_without_room_for_an_image_is_sent_nothing_and_goes_again(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed(fleet, replicas=1)
    old, before, real = fleet.machines[0], fleet.serving, shutil.disk_usage

    def usage(path: Any) -> Any:
        return real(path) if old.name in str(path) else Usage(0, 0, Limits().spare_bytes)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    with pytest.raises(HostsFailed, match=r"The disk is too full, so nothing was sent: .* has 0\.0 MiB free"):
        roll(fleet.environment(), target(fleet))
    new = next(one for one in fleet.machines if one is not old)
    assert "engine.load" not in new.changes
    assert there(fleet) == [old]
    assert fleet.serving == before


def test_a_volume_refuses_the_roll_or_keeps_its_droplet_where_it_is(fleet: Fleet) -> None:
    deployed(fleet)
    pinned = fleet.machines[0]
    pinned.engine.volumes = {"9fe5e6_demo_prod_hello_data": ""}
    before, to = fleet.changes, target(fleet)
    with pytest.raises(InvalidInput, match=pinned.name):
        roll(fleet.environment(), to)
    assert fleet.changes == before
    roll(fleet.environment(), to, leave_pinned=True)
    assert sorted(one.image for one in fleet.droplets.all.values()) == sorted([fleet.snapshot.id, to.snapshot_id])
    assert "it holds the volumes" in latest(REPORT)


def test_a_service_that_is_filled_in_otherwise_than_it_runs_is_named_before_anything_changes(fleet: Fleet) -> None:
    deployed(fleet)
    saved(fleet.service(variables={"COLOUR": "green"}))
    before = fleet.changes
    with pytest.raises(InvalidInput, match="is not what the block hello says"):
        roll(fleet.environment(), target(fleet))
    assert fleet.changes == before


def test_nothing_is_moved_to_a_snapshot_that_was_rejected(fleet: Fleet) -> None:
    deployed(fleet, replicas=1)
    tags = naming.snapshot_tags("base") | {naming.REJECTED_TAG}
    bad = Snapshot.of(fleet.cloud.snapshots.add("demo-bad", tags=tags))
    before = fleet.changes
    with pytest.raises(InvalidInput, match="demo-bad was examined and rejected"):
        roll(fleet.environment(), bad)
    assert fleet.changes == before


def test_a_release_that_does_not_come_up_on_the_new_droplet_leaves_the_old_one_and_nothing_else(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed(fleet)
    old, release = list(fleet.machines), fleet.machines[0].releases["current"]
    start = type(old[0].engine).start

    def broken(engine: Any, full_name: str) -> None:
        start(engine, full_name)
        if engine not in [machine.engine for machine in old]:
            engine.exit(full_name, 3)

    monkeypatch.setattr(type(old[0].engine), "start", broken)
    with pytest.raises(HostsFailed, match="Preparing candidates"):
        roll(fleet.environment(), target(fleet))
    assert [machine.name for machine in there(fleet)] == [machine.name for machine in old]
    assert fleet.records == sorted((DOMAIN, machine.address) for machine in old)
    assert fleet.serving == {release}


CHANGES = {"cloud.droplets": ("ensure", "remove"), "dns": ("ensure", "remove")}
CALLS = ("take_lease", "load", "prepare", "promote", "remove", "free_lease")


def kill_at(fleet: Fleet, death: Death, environment: Environment, to: Snapshot) -> None:
    """A run whose process dies at one of its changes."""
    with pytest.MonkeyPatch.context() as patch:
        for path, names in CHANGES.items():
            target_of: Any = fleet
            for part in path.split("."):
                target_of = getattr(target_of, part)
            for name in names:
                patch.setattr(target_of, name, death.guarded(f"{path}.{name}", getattr(target_of, name)))
        for name in CALLS:
            patch.setattr(AgentClient, name, death.guarded(f"agent.{name}", getattr(AgentClient, name)))
        # Whatever is raised is what is left of a flow whose process is gone.
        with contextlib.suppress(BaseException):
            roll(environment, to)


@pytest.mark.engine
@pytest.mark.long
def test_a_roll_that_is_killed_at_any_change_is_finished_by_the_next(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(leases, "moment", clock)
    deployed(fleet, replicas=1).save("hello", overwrite=True)
    release = fleet.machines[0].releases["current"]
    for number in range(1, 100):
        to, death = target(fleet, f"demo-{number}"), Death(number)
        kill_at(fleet, death, fleet.environment(), to)
        assert 200 in {status for status, _ in fleet.visit(DOMAIN)}
        clock.wait(LEASE)
        roll(fleet.environment(), to)
        check_rolled(fleet, to, release, replicas=1)
        if not death.over:
            break
    assert not death.over


def bases(fleet: Fleet, content: bytes) -> None:
    """New droplets have a base image with this in it, and the service is built on that."""
    boot: Any = fleet.droplets._boot

    def booted(*given: Any) -> Machine:
        machine: Machine = boot(*given)
        machine.engine.add_image(content, tag="local/base:latest")
        return machine

    fleet.droplets._boot = booted
    (fleet.context / "Dockerfile").write_text('FROM local/base:latest\nCOPY app /app\nCMD ["/app"]\n')


def test_an_image_on_another_base_than_its_new_droplets_is_named(fleet: Fleet) -> None:
    bases(fleet, b"base one")
    deployed(fleet)
    release = fleet.machines[0].releases["current"]
    bases(fleet, b"base two")
    to = target(fleet)
    roll(fleet.environment(), to)
    check_rolled(fleet, to, release)
    assert latest(REPORT).count("hello is built on the base") == 2


def test_a_service_that_wants_it_is_built_anew_on_the_base_of_its_new_droplets(fleet: Fleet) -> None:
    bases(fleet, b"base one")
    service = saved(fleet.service(on_another_base="rebuild"))
    deploy(service)
    before, to = fleet.machines[0].releases["current"], target(fleet)
    bases(fleet, b"base two")
    roll(fleet.environment(), to)
    (release,) = fleet.serving
    assert release > before
    check = [machine.releases["current"] for machine in there(fleet)]
    assert check == [release, release]
    changes = fleet.changes
    roll(fleet.environment(), to)
    assert fleet.changes == changes


def test_a_deploy_to_droplets_with_different_bases_names_them(fleet: Fleet) -> None:
    bases(fleet, b"base one")
    deploy(fleet.service(replicas=1))
    bases(fleet, b"base two")
    fleet.write("two")
    (fleet.context / "Dockerfile").write_text('FROM local/base:latest\nCOPY app /app\nCMD ["/app"]\n')
    deploy(fleet.service(replicas=2))
    assert latest("deploy-demo-prod-hello").count("⚠️ hello is built on the base") == 1
