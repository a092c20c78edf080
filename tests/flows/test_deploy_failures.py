"""The flow `deploy` when something goes wrong: what served before serves on, and the error says where and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fleet.errors import HostsFailed, InvalidInput, PermanentError, Refused, TransientError
from fleet.state import Droplet
from flows.deploy import deploy
from flows.rollback import rollback
from tasks.releases import HalfDone
from tests.flows.artifacts import latest
from tests.flows.fleet_of_fakes import DOMAIN, ZONE, Fleet


class Every(set[str]):
    """All releases, whatever they will be called."""

    def __contains__(self, _: object) -> bool:
        """Yes."""
        return True


def test_one_ill_candidate_switches_no_droplet_and_the_error_names_the_droplet_and_holds_its_last_lines(
    fleet: Fleet,
) -> None:
    deploy(fleet.service())
    before = [machine.releases["current"] for machine in fleet.machines]
    ill = fleet.machines[1]
    ill.engine.crashing = Every()
    fleet.write("two")
    with pytest.raises(HostsFailed, match=r"Preparing .* failed on 1 of 2 droplets") as caught:
        deploy(fleet.service())
    assert [machine.releases["current"] for machine in fleet.machines] == before
    assert fleet.serving == set(before)
    assert fleet.records == fleet.everywhere
    assert list(caught.value.failures) == [ill.name]
    assert "is not healthy" in caught.value.failures[ill.name]
    assert "FATAL it cannot go on" in caught.value.logs[ill.name]
    report = latest("deploy-demo-prod-hello")
    assert f"### The container's last lines on {ill.name}" in report
    assert "FATAL it cannot go on" in report
    assert ill.releases["candidate"] > before[0], "it is kept as evidence"


def test_after_an_ill_candidate_was_mended_the_next_deploy_comes_to_all_droplets(fleet: Fleet) -> None:
    deploy(fleet.service())
    fleet.machines[1].engine.crashing = Every()
    fleet.write("two")
    with pytest.raises(HostsFailed):
        deploy(fleet.service())
    fleet.machines[1].engine.crashing = set()
    deploy(fleet.service())
    releases = [machine.releases for machine in fleet.machines]
    assert releases[0] == releases[1]
    assert set(releases[0]) == {"current", "previous"}
    assert fleet.serving == {releases[0]["current"]}


def test_a_failure_of_dns_after_promote_takes_every_droplet_back_and_removes_what_is_fresh(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=1))
    old = fleet.machines[0]
    before, record = old.releases["current"], dict(fleet.dns.all)
    fleet.write("two")
    fleet.dns.faults.fail("dns.ensure", *[PermanentError("the zone is locked")] * 2, lost_reply=True)
    with pytest.raises(HostsFailed, match="the zone is locked"):
        deploy(fleet.service(replicas=2))
    fresh = next(machine for machine in fleet.machines if machine is not old)
    assert old.releases["current"] == before
    assert fresh.releases == {}
    assert fresh.router.table.routes == ()
    assert fleet.dns.all == record
    assert fleet.serving == {before}
    assert "❌ failed: every droplet serves what it served before" in latest("deploy-demo-prod-hello")


def test_droplets_are_taken_back_also_when_dns_cannot_be_asked_any_more(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(fleet.service(replicas=1))
    old = fleet.machines[0]
    before = old.releases["current"]
    fleet.write("two")
    ensure = fleet.dns.ensure

    def away(*given: Any) -> None:
        ensure(*given)
        fleet.dns.faults.fail("dns.read_records", *[TransientError("Cloudflare answers 500")] * 9)
        raise PermanentError("the zone is locked")

    monkeypatch.setattr(fleet.dns, "ensure", away)
    with pytest.raises(HalfDone, match="the zone is locked") as caught:
        deploy(fleet.service(replicas=2))
    fresh = next(machine for machine in fleet.machines if machine is not old)
    release = fresh.releases["current"]
    assert old.releases["current"] == before
    assert fleet.records == fleet.everywhere, "the fresh one serves, as a record may lead to it"
    assert caught.value.left == {
        "DNS": "records that this run made may still be there (Cloudflare answers 500)",
        fresh.name: f"serves {release}, as records may still lead to it",
    }
    report = latest("deploy-demo-prod-hello")
    assert "❌ failed, and not everything could be taken back: the next deploy goes on from here" in report
    assert f"| {fresh.name} | {fresh.address} | none | serves {release}, as records may still lead to it |" in report


def test_a_promotion_that_fails_on_the_fourth_of_five_droplets_leaves_the_old_release_on_all(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=5))
    before = [machine.releases["current"] for machine in fleet.machines]
    records = dict(fleet.dns.all)
    fleet.write("two")
    fourth = fleet.machines[3]
    fourth.router.refusing = "it is out of order"
    with pytest.raises(HostsFailed, match=r"Promoting .* failed on 1 of 5 droplets") as caught:
        deploy(fleet.service(replicas=5))
    assert list(caught.value.failures) == [fourth.name]
    assert [machine.releases["current"] for machine in fleet.machines] == before
    assert fleet.serving == set(before)
    assert fleet.dns.all == records
    assert "candidate" not in fourth.releases, "a healthy candidate goes"
    running = [one.role for machine in fleet.machines for one in machine.engine.instances() if one.running]
    assert running == ["current"] * 5, "what was taken back does not run on"
    assert "❌ failed: every droplet serves what it served before" in latest("deploy-demo-prod-hello")


def test_a_droplet_that_cannot_be_taken_back_is_named_with_its_state_and_the_next_deploy_repairs_it(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(fleet.service(replicas=3))
    before = fleet.machines[0].releases["current"]
    fleet.write("two")
    stuck = fleet.machines[1]

    def fail(*_: object) -> list[tuple[int, str]]:
        old = next(one for one in stuck.engine.instances() if one.release == before)
        stuck.engine.unstartable = {before}
        stuck.engine.exit(old.full_name)
        return [(503, "")]

    visit = fleet.visit
    monkeypatch.setattr(fleet, "visit", fail)
    with pytest.raises(HalfDone) as caught:
        deploy(fleet.service(replicas=3))
    monkeypatch.setattr(fleet, "visit", visit)
    failed = stuck.releases["current"]
    assert [machine.releases["current"] for machine in fleet.machines] == [before, failed, before]
    assert list(caught.value.left) == [stuck.name]
    assert caught.value.left[stuck.name].startswith(f"serves {failed} instead of {before} (")
    assert "run the deploy again, and it goes on from here" in str(caught.value)
    report = latest("deploy-demo-prod-hello")
    assert f"| {stuck.name} | {stuck.address} | {before} | serves {failed} instead of {before} (" in report
    deploy(fleet.service(replicas=3))
    releases = {machine.releases["current"] for machine in fleet.machines}
    assert len(releases) == 1
    assert releases == {failed}, "the same content comes again under its own name"
    assert fleet.serving == releases
    assert fleet.records == fleet.everywhere


def test_a_new_name_leaves_dns_again_and_the_one_given_up_comes_back(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(fleet.service())
    records = fleet.records
    renamed = fleet.service(runs={"port": 8080, "domains": [f"hi.{ZONE}"]})
    visit = fleet.visit
    monkeypatch.setattr(fleet, "visit", lambda *_: [(503, "")])
    with pytest.raises(TransientError, match="answers 503"):
        deploy(renamed)
    monkeypatch.setattr(fleet, "visit", visit)
    assert fleet.records == records == fleet.everywhere
    assert [status for status, _ in fleet.visit(DOMAIN)] == [200, 200]


def test_what_a_person_has_set_on_a_record_survives_deploys_rollbacks_and_a_failed_deploy_taken_back(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(fleet.service())
    by_hand = {fleet.dns.set(one.id, proxied=False, ttl=300).content for one in list(fleet.dns.all.values())}

    def there() -> set[str]:
        return {one.content for one in fleet.dns.all.values() if not one.proxied and one.ttl == 300}

    fleet.write("two")
    deploy(fleet.service())
    rollback(fleet.service())
    assert there() == by_hand
    renamed = fleet.service(runs={"port": 8080, "domains": [f"hi.{ZONE}"]})
    visit = fleet.visit
    monkeypatch.setattr(fleet, "visit", lambda *_: [(503, "")])
    with pytest.raises(TransientError, match="answers 503"):
        deploy(renamed)
    monkeypatch.setattr(fleet, "visit", visit)
    assert fleet.records == fleet.everywhere
    assert there() == by_hand, "records that were removed came back as they were"


def test_a_fresh_droplet_whose_candidate_failed_keeps_it_stopped_as_evidence(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(fleet.service(replicas=1))
    old = fleet.machines[0]
    before = old.releases["current"]
    fleet.write("two")
    read = fleet.droplets.read

    def boot_ill(droplet_id: int) -> Droplet | None:
        found = read(droplet_id)
        for machine in fleet.machines:
            if machine is not old:
                machine.engine.crashing = Every()
        return found

    monkeypatch.setattr(fleet.droplets, "read", boot_ill)
    with pytest.raises(HostsFailed, match=r"Preparing .* failed on 1 of 2 droplets"):
        deploy(fleet.service(replicas=2))
    fresh = next(machine for machine in fleet.machines if machine is not old)
    assert list(fresh.releases) == ["candidate"]
    assert [one.running for one in fresh.engine.instances()] == [False]
    assert (old.releases, fleet.serving) == ({"current": before}, {before})


def test_a_domain_that_does_not_answer_well_takes_every_droplet_back(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(fleet.service(replicas=1))
    before = fleet.machines[0].releases["current"]
    fleet.write("two")
    monkeypatch.setattr(fleet, "visit", lambda *_: [(503, "")])
    with pytest.raises(TransientError, match=rf"http://{DOMAIN}:\d+/ answers 503\. Look at the service"):
        deploy(fleet.service(replicas=1))
    assert fleet.machines[0].releases["current"] == before


def test_a_transient_error_is_retried(fleet: Fleet) -> None:
    fleet.cloud.faults.fail("account.read_regions", *[TransientError("the API answers 500")] * 2)
    deploy(fleet.service(replicas=1))
    assert fleet.cloud.faults.calls.count("account.read_regions") == 3
    assert len(fleet.droplets.requests) == 1


def test_a_permanent_error_is_called_once(fleet: Fleet) -> None:
    fleet.cloud.faults.fail("account.read_owner", *[Refused("the token was not accepted")] * 2)
    with pytest.raises(Refused):
        deploy(fleet.service(replicas=1))
    assert fleet.cloud.faults.calls == ["account.read_owner"]
    assert fleet.changes == []


@pytest.mark.parametrize(
    ("service", "environment", "message"),
    [
        ({"runs": {"port": 80, "domains": ["hello.example.org"]}}, {}, "hello.example.org is not in the zone"),
        ({"image": {"context": "/nowhere"}}, {}, "The build context /nowhere is not a folder"),
        ({"variables": {"A-B": "x"}}, {}, "'A-B' cannot be the name of a variable"),
        ({}, {"region": "sfo1"}, "Choose one of: fra1, nyc3."),
        ({}, {"size": "s-9vcpu-9gb"}, "Choose one of: s-1vcpu-1gb, s-2vcpu-4gb."),
        ({}, {"snapshot": {"snapshot_id": "404", "kind": "base"}}, "The snapshot 404 is not there in fra1."),
        ({}, {"snapshot": None}, "hello needs 2 more droplets; demo-prod has no snapshot for them."),
    ],
    ids=["zone", "context", "variable", "region", "size", "snapshot", "no snapshot"],
)
def test_bad_input_at_the_door_changes_nothing(
    fleet: Fleet, service: dict[str, Any], environment: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        deploy(fleet.service(environment=fleet.environment(**environment), **service))
    assert message in str(caught.value)
    assert fleet.changes == []


def test_a_folder_without_a_dockerfile_changes_nothing(fleet: Fleet, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInput, match="There is no file Dockerfile"):
        deploy(fleet.service(image={"context": str(tmp_path / "empty")}))
    assert fleet.changes == []


@pytest.mark.engine
def test_what_is_no_service_is_refused_by_the_form(fleet: Fleet) -> None:
    with pytest.raises(InvalidInput, match=r"service\.runs: Field required"):
        deploy({"name": "hello"})  # type: ignore[call-overload]  # what a person may send through the API
    assert fleet.changes == []


def test_a_domain_that_somebody_else_uses_changes_nothing(fleet: Fleet) -> None:
    stray = fleet.add_stray_record()
    with pytest.raises(InvalidInput, match="that is not this service's"):
        deploy(fleet.service())
    assert fleet.changes == []
    assert fleet.dns.all == {stray.id: stray}


def test_a_build_that_fails_switches_nothing_and_says_why(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=1))
    before = fleet.machines[0].ids
    (fleet.context / "Dockerfile").write_text("FROM scratch\nCOPY nowhere /app\n")
    with pytest.raises(PermanentError, match="COPY failed: file not found in build context: nowhere"):
        deploy(fleet.service(replicas=1))
    assert fleet.machines[0].ids == before
    assert len(fleet.serving) == 1


def test_a_silent_droplet_stops_a_deploy_before_anything_changes(fleet: Fleet) -> None:
    deploy(fleet.service())
    silent = fleet.machines[1]
    silent.silence()
    before, records = fleet.changes, dict(fleet.dns.all)
    fleet.write("two")
    with pytest.raises(TransientError, match="cannot be seen, so nothing has been changed") as caught:
        deploy(fleet.service())
    assert silent.name in str(caught.value)
    assert fleet.machines[0].name not in str(caught.value)
    assert fleet.changes == before
    assert fleet.dns.all == records
