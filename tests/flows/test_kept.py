"""Releases that are kept: how many, what goes with the oldest, and the way back to any of them."""

from __future__ import annotations

import shutil
from typing import Any, NamedTuple, cast

import pytest
from prefect.client.orchestration import get_client

from agent.server.settings import Limits
from blocks.release import Release
from fleet import naming
from fleet.errors import HostsFailed, InvalidInput, PermanentError, TransientError
from flows.deploy import deploy
from flows.health_check import health_check
from flows.rollback import rollback
from flows.undeploy import undeploy
from tests.fakes.router import Killed
from tests.flows.artifacts import latest
from tests.flows.fleet_of_fakes import DOMAIN, Fleet
from tests.flows.machines import Machine
from tests.flows.test_undeploy_kills import clock, killed_everywhere
from tests.flows.undeploying import shop
from tests.unit.agent.test_leases import Clock

__all__ = ["clock"]
TITLE = "demo-prod-hello"


def deploy_all(fleet: Fleet, *contents: str, replicas: int = 1, **changes: Any) -> list[str]:
    """A release of each content, one after the other; their ids."""
    made = []
    for content in contents:
        fleet.write(content)
        deploy(fleet.service(replicas, **changes))
        made.append(fleet.machines[0].releases["current"])
    return made


def secrets_of(machine: Machine) -> set[str]:
    """The releases whose secrets are on the droplet."""
    return {release for _, release in machine.engine.secrets}


def images_of(machine: Machine) -> int:
    """How many images are on the droplet."""
    return len(machine.engine.stock.images)


def offered() -> dict[str, Release]:
    """What a rollback's form offers of the environment, by the names that it shows."""
    Release.register_type_and_schema()
    with get_client(sync_client=True) as client:
        found = client.read_block_documents_by_type("release", limit=200)
    blocks = {one.name or "": Release.model_validate(one.data) for one in found}
    return {name: block for name, block in blocks.items() if block.environment == "demo-prod"}


def test_six_deploys_keep_five_and_with_the_seventh_the_oldest_goes_with_its_image_and_its_secrets(
    fleet: Fleet,
) -> None:
    contents = ["one", "two", "three", "four", "five", "six"]
    made = deploy_all(fleet, *contents, secrets={"KEY": "s3cret"})
    machine = fleet.machines[0]
    assert machine.releases == {"current": made[5], "previous": made[4]}
    assert machine.kept == [made[3], made[2], made[1], made[0]]
    assert (secrets_of(machine), images_of(machine)) == (set(made), 6)
    (last,) = deploy_all(fleet, "seven", secrets={"KEY": "s3cret"})
    assert machine.releases == {"current": last, "previous": made[5]}
    assert machine.kept == [made[4], made[3], made[2], made[1]]
    assert (secrets_of(machine), images_of(machine)) == ({last, *made[1:]}, 6)
    assert [one.role for one in machine.engine.instances() if one.running] == ["current"]
    assert f"remove {made[0]}, the oldest, from {machine.name}" in latest("deploy-demo-prod-hello")
    with pytest.raises(InvalidInput, match=f"{made[0]} cannot serve everywhere"):
        rollback(fleet.service(1), release=made[0])


def test_a_rollback_goes_to_the_third_oldest_on_every_droplet_without_a_build_and_a_second_time_nothing_is_done(
    fleet: Fleet,
) -> None:
    made = deploy_all(fleet, "one", "two", "three", "four", replicas=2)
    built, sent = (fleet.changes.count(f"engine.{verb}") for verb in ("build", "load"))
    rollback(fleet.service(), release=made[1])
    assert fleet.serving == {made[1]}
    assert [machine.releases for machine in fleet.machines] == [{"current": made[1], "previous": made[3]}] * 2
    assert [machine.kept for machine in fleet.machines] == [[made[2], made[0]]] * 2
    assert [fleet.changes.count(f"engine.{verb}") for verb in ("build", "load")] == [built, sent]
    before = fleet.changes
    rollback(fleet.service(), release=made[1])
    assert fleet.changes == before
    assert "✅ nothing to do" in latest("rollback-demo-prod-hello")
    rollback(fleet.service(), release=made[3])
    assert fleet.serving == {made[3]}, "and forward again"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_rollback_that_is_killed_anywhere_is_finished_by_the_next_one(fleet: Fleet, clock: Clock) -> None:
    made = deploy_all(fleet, "one", "two", "three", replicas=2)

    def check() -> None:
        assert fleet.serving == {made[0]}
        assert [machine.releases for machine in fleet.machines] == [{"current": made[0], "previous": made[2]}] * 2
        assert [machine.kept for machine in fleet.machines] == [[made[1]]] * 2
        roles = [one.role for machine in fleet.machines for one in machine.engine.instances() if one.running]
        assert roles == ["current"] * 2

    seen = killed_everywhere(
        fleet,
        clock,
        lambda: rollback(fleet.service(), release=made[2]),
        lambda: rollback(fleet.service(), release=made[0]),
        check,
    )
    assert seen == {"agent.take_lease", "agent.rollback", "agent.retire", "agent.free_lease"}


def test_a_rollback_to_the_release_before_that_died_before_the_other_was_stopped_is_finished_by_the_next_one(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = deploy_all(fleet, "one", "two", replicas=2)
    with monkeypatch.context() as patch:
        patch.setattr("tasks.containers.retire_all", dying)
        with pytest.raises(Killed):
            rollback(fleet.service())
    running = [one.role for machine in fleet.machines for one in machine.engine.instances() if one.running]
    assert sorted(running) == ["current", "current", "previous", "previous"]
    rollback(fleet.service())
    assert [one.role for machine in fleet.machines for one in machine.engine.instances() if one.running] == [
        "current",
        "current",
    ]
    assert [machine.releases for machine in fleet.machines] == [{"current": made[0], "previous": made[1]}] * 2
    with pytest.raises(InvalidInput, match="a newer one"):
        rollback(fleet.service())


def test_a_deploy_that_died_before_the_oldest_went_is_finished_by_the_next_one(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = deploy_all(fleet, "one", "two", keep_releases=1)
    machine = fleet.machines[0]
    fleet.write("three")
    with monkeypatch.context() as patch:
        patch.setattr("tasks.containers.retire_all", dying)
        with pytest.raises(Killed):
            deploy(fleet.service(1, keep_releases=1))
    assert machine.kept == [made[0]]
    deploy(fleet.service(1, keep_releases=1))
    assert (machine.releases["previous"], machine.kept) == (made[1], [])
    assert (secrets_of(machine), images_of(machine)) == (set(machine.releases.values()), 2)


def dying(*_: object) -> None:
    """A step that the run does not survive."""
    raise Killed("it is over")


def test_fewer_releases_to_keep_take_effect_with_the_next_deploy_even_of_the_same_content(fleet: Fleet) -> None:
    made = deploy_all(fleet, "one", "two", "three", "four")
    ids = fleet.machines[0].ids["current"]
    deploy(fleet.service(1, keep_releases=2))
    assert (fleet.machines[0].releases["previous"], fleet.machines[0].kept) == (made[2], [made[1]])
    assert fleet.machines[0].ids["current"] == ids, "what serves was not touched"


def test_a_release_that_failed_after_its_promotion_stays_as_evidence_and_a_rollback_goes_to_the_one_before(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = deploy_all(fleet, "one", "two", replicas=2)
    fleet.write("three")
    with monkeypatch.context() as patch:
        patch.setattr(fleet, "visit", lambda *_: [(503, "")])
        with pytest.raises(TransientError, match="answers 503"):
            deploy(fleet.service())
    failed = fleet.machines[0].releases["candidate"]
    assert [one.releases for one in fleet.machines] == [
        {"current": second, "candidate": failed, "previous": first},
    ] * 2
    assert [one.role for one in fleet.machines[0].engine.instances() if one.running] == ["current"]
    with pytest.raises(InvalidInput, match=f"{failed} cannot serve everywhere"):
        rollback(fleet.service(), release=failed)
    rollback(fleet.service())
    assert fleet.serving == {first}
    assert all(failed not in one.releases.values() for one in fleet.machines)


def test_a_rollback_that_fails_leaves_every_kept_release_in_its_role(fleet: Fleet) -> None:
    made = deploy_all(fleet, "one", "two", "three", replicas=2)
    fleet.machines[1].engine.unstartable = {made[0]}
    with pytest.raises(HostsFailed, match=f"Going back to {made[0]} failed on 1 of 2 droplets"):
        rollback(fleet.service(), release=made[0])
    assert [one.releases for one in fleet.machines] == [{"current": made[2], "previous": made[1]}] * 2
    assert [one.kept for one in fleet.machines] == [[made[0]]] * 2
    assert [one.role for one in fleet.machines[0].engine.instances() if one.running] == ["current"]


@pytest.mark.engine
def test_an_undeploy_leaves_nothing_of_the_kept_releases(fleet: Fleet) -> None:
    deploy_all(fleet, "one", "two", "three", "four", replicas=2, secrets={"KEY": "s3cret"})
    undeploy(fleet.service())
    for machine in fleet.machines:
        assert machine.engine.instances() == ()
        assert (machine.engine.secrets, images_of(machine)) == ({}, 0)
    assert offered() == {}


@pytest.mark.engine
def test_where_a_droplet_came_later_only_what_it_has_too_can_be_gone_back_to(fleet: Fleet) -> None:
    first, second = deploy_all(fleet, "one", "two")
    old = fleet.machines[0]
    (third,) = deploy_all(fleet, "three", replicas=2)
    fresh = next(machine for machine in fleet.machines if machine is not old)
    assert offered()[f"{TITLE}-{first}"].missing == [fresh.name]
    before = fleet.changes
    for release in (first, second):
        with pytest.raises(InvalidInput, match=rf"cannot serve everywhere.*: {fresh.name} has {third} \(current\)"):
            rollback(fleet.service(), release=release)
    assert fleet.changes == before


@pytest.mark.engine
def test_a_rollbacks_form_offers_what_is_kept_and_goes_to_what_is_picked(fleet: Fleet) -> None:
    made = deploy_all(fleet, "one", "two", "three", replicas=2)
    found = offered()
    assert list(found) == [f"{TITLE}-{made[0]}", f"{TITLE}-{made[1]}"]
    names = [machine.name for machine in fleet.machines]
    oldest = found[f"{TITLE}-{made[0]}"]
    assert (oldest.environment, oldest.service, oldest.release) == ("demo-prod", "hello", made[0])
    assert (oldest.droplets, oldest.missing) == (names, [])
    assert oldest.deployed_at == naming.released_at(made[0])
    assert oldest.image in fleet.machines[0].engine.stock.images
    rollback(fleet.service(), to=cast(Release, Release.load(f"{TITLE}-{made[0]}")))
    assert fleet.serving == {made[0]}
    assert set(offered()) == {f"{TITLE}-{made[1]}", f"{TITLE}-{made[2]}"}


@pytest.mark.engine
def test_a_release_of_another_service_or_two_at_once_are_refused_before_anything_is_asked(fleet: Fleet) -> None:
    first, second = deploy_all(fleet, "one", "two")
    picked = offered()[f"{TITLE}-{first}"]
    before = fleet.changes
    with pytest.raises(InvalidInput, match=f"{first} is a release of hello in demo-prod, not of shop in demo-prod"):
        rollback(shop(fleet), to=picked)
    with pytest.raises(InvalidInput, match=f"Two releases are named: {first} and {second}"):
        rollback(fleet.service(1), to=picked, release=second)
    with pytest.raises(InvalidInput, match="'yesterday' is no release"):
        rollback(fleet.service(1), release="yesterday")
    assert fleet.changes == before


@pytest.mark.engine
def test_the_health_check_puts_the_offers_right_and_leaves_them_alone_while_a_droplet_is_silent(fleet: Fleet) -> None:
    made = deploy_all(fleet, "one", "two", "three", replicas=2)
    right, name = offered(), f"{TITLE}-{made[0]}"
    gone = right[name].model_copy(update={"release": "20200101t000000-abcdef"})
    gone.save(f"{TITLE}-gone", overwrite=True)
    right[name].model_copy(update={"droplets": []}).save(name, overwrite=True)
    elsewhere = right[name].model_copy(update={"environment": "demo-staging"})
    elsewhere.save("demo-staging-hello-kept", overwrite=True)
    fleet.machines[0].silence()
    health_check(fleet.environment())
    assert set(offered()) == {*right, f"{TITLE}-gone"}
    assert offered()[name].droplets == []
    fleet.machines[0].wake()
    health_check(fleet.environment())
    assert {key: one.model_dump() for key, one in offered().items()} == {
        key: one.model_dump() for key, one in right.items()
    }
    assert cast(Release, Release.load("demo-staging-hello-kept")).release == made[0]
    assert "previous: stopped" in latest("fleet-health")
    assert "kept: stopped" not in latest("fleet-health"), "no row for each"


class Usage(NamedTuple):
    """What the operating system says of a disk."""

    total: int
    used: int
    free: int


def test_a_droplet_whose_disk_is_too_full_is_named_before_anything_is_sent(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy_all(fleet, "one", replicas=2)
    full = fleet.machines[1]
    real, before, changes = shutil.disk_usage, fleet.serving, full.changes
    free = Limits().spare_bytes + (1 << 20)

    def usage(path: Any) -> Any:
        return Usage(free, 0, free) if full.name in str(path) else real(path)

    monkeypatch.setattr("agent.server.images.shutil.disk_usage", usage)
    fleet.write("two" * 1_000_000)
    with pytest.raises(PermanentError, match="The disk is too full, so nothing was sent") as caught:
        deploy(fleet.service())
    assert f"{full.name} needs 8.6 MiB for image" in str(caught.value)
    assert "and has 1.0 MiB free beside its reserve" in str(caught.value)
    assert full.changes == changes, "it was only asked"
    assert (fleet.serving, fleet.visit(DOMAIN)[0][0]) == (before, 200)
    monkeypatch.undo()
