"""A gate that fails names one cause: in the error, and with its proof and what to do in the report."""

from __future__ import annotations

import pytest

from fleet.errors import HostsFailed, TransientError
from fleet.state import Record
from flows.deploy import deploy
from flows.maintenance import maintenance
from flows.roll import roll
from flows.rollback import rollback
from tests.flows.artifacts import latest
from tests.flows.fleet_of_fakes import DOMAIN, Fleet
from tests.flows.test_deploy_failures import Every
from tests.flows.test_maintenance import pages
from tests.flows.test_roll import target

REPORT = "deploy-demo-prod-hello"


def rows(report: str) -> list[list[str]]:
    """The table of causes."""
    chapter = report.partition("## Cause\n\n")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in chapter.splitlines()[2:]]


def test_a_candidate_that_lacks_a_variable_is_told_as_such_on_its_droplet(fleet: Fleet) -> None:
    deploy(fleet.service())
    ill = fleet.machines[1]
    ill.engine.crashing, ill.engine.last_words = Every(), "KeyError: 'DATABASE_URL'"
    fleet.write("two")
    with pytest.raises(HostsFailed, match="Cause: missing variable: DATABASE_URL was not given") as caught:
        deploy(fleet.service())
    assert list(caught.value.failures) == [ill.name]
    (row,) = rows(latest(REPORT))
    assert row[:3] == [ill.name, "missing variable", "DATABASE_URL was not given; KeyError: 'DATABASE_URL'"]
    assert row[3].startswith("Add it to the service's environment or secrets")


def test_each_droplet_has_a_cause_of_its_own(fleet: Fleet) -> None:
    deploy(fleet.service())
    first, second = fleet.machines
    first.engine.crashing = first.engine.oom = Every()
    second.engine.crashing, second.engine.built_for = Every(), "arm64"
    fleet.write("two")
    with pytest.raises(HostsFailed):
        deploy(fleet.service())
    assert [row[:2] for row in rows(latest(REPORT))] == sorted(
        [[first.name, "out of memory"], [second.name, "image architecture"]]
    )


EDGE = [
    (521, "firewall"),
    (522, "firewall"),
    (525, "TLS at the origin"),
    (526, "TLS at the origin"),
    (530, "DNS"),
    (502, "upstream refused"),
]


@pytest.mark.parametrize(("status", "word"), EDGE)
def test_what_the_edge_answers_of_a_droplet_that_is_well_names_what_lies_between(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, status: int, word: str
) -> None:
    deploy(fleet.service())
    before = {machine.releases["current"] for machine in fleet.machines}
    fleet.write("two")
    monkeypatch.setattr(fleet, "visit", lambda *_: [(status, "")])
    if word == "upstream refused":  # nginx says the same on the droplet
        for machine in fleet.machines:
            monkeypatch.setattr(machine.router, "status", lambda *_: 502)
    with pytest.raises(TransientError, match=rf"answers {status}\. Cause, as seen at .*: {word}: "):
        deploy(fleet.service())
    assert {machine.releases["current"] for machine in fleet.machines} == before
    (row,) = rows(latest(REPORT))
    assert row[1] == word
    assert f"edge as {DOMAIN} /: {status}" in row[2] or word == "upstream refused"


def test_a_record_that_leads_elsewhere_is_found_in_the_zone(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy(fleet.service(replicas=1))
    fleet.write("two")
    read = fleet.dns.read_records

    def elsewhere(*_: str) -> list[tuple[int, str]]:
        def gone(name: str | None = None, comment: str | None = None) -> list[Record]:
            return [] if name else read(comment=comment)

        monkeypatch.setattr(fleet.dns, "read_records", gone)
        return [(404, "")]

    monkeypatch.setattr(fleet, "visit", elsewhere)
    told = f"DNS: {DOMAIN} leads to nothing; it should lead to {fleet.machines[0].address}"
    with pytest.raises(TransientError, match=told):
        deploy(fleet.service(replicas=1))


def test_a_release_that_was_kept_and_does_not_serve_again_is_explained_too(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(fleet.service())
    fleet.write("two")
    deploy(fleet.service())
    monkeypatch.setattr(fleet, "visit", lambda *_: [(522, "")])
    with pytest.raises(TransientError, match=r"Cause, as seen at .*: firewall: "):
        rollback(fleet.service())
    assert rows(latest("rollback-demo-prod-hello"))[0][1] == "firewall"


def test_a_service_that_does_not_answer_after_its_maintenance_is_explained(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(fleet.service())
    maintenance(fleet.service())
    monkeypatch.setattr(fleet, "visit", lambda *_: [(521, "")])
    with pytest.raises(TransientError, match=r"Cause, as seen at .*: firewall: "):
        maintenance(fleet.service(), on=False)
    assert None not in pages(fleet)


def test_a_service_that_does_not_answer_from_its_new_droplet_is_explained(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = fleet.service(replicas=1)
    deploy(service)
    monkeypatch.setattr("tasks.rolls.list_services", lambda _: [service])
    monkeypatch.setattr(fleet, "visit", lambda *_: [(525, "")])
    with pytest.raises(TransientError, match=r"Cause, as seen at .*: TLS at the origin: "):
        roll(fleet.environment(), target(fleet))


def test_where_no_cause_fits_the_error_is_what_it_was(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy(fleet.service(replicas=1))
    fleet.write("two")
    monkeypatch.setattr(fleet, "visit", lambda *_: [(503, "")])
    with pytest.raises(TransientError, match=r"answers 503\. Look at the service"):
        deploy(fleet.service(replicas=1))
    assert rows(latest(REPORT)) == []


def test_a_droplet_that_cannot_be_asked_for_the_cause_hides_nothing(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(fleet.service(replicas=1))
    fleet.write("two")
    monkeypatch.setattr(fleet, "visit", lambda *_: [(530, "")])
    monkeypatch.setattr("tasks.verifying._symptoms", lambda *_: None)
    with pytest.raises(TransientError, match=r"Cause, as seen at .*: DNS: "):
        deploy(fleet.service(replicas=1))
