"""The flow `deploy`: its plan shown, approved, refused, and carried out only while the world is as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import StateType
from prefect.flow_runs import resume_flow_run

from fleet.errors import PermanentError, TransientError
from flows.deploy import deploy
from tasks.approvals import NotApproved, WorldMoved
from tasks.waits import wait_for
from tests.flows.artifacts import latest
from tests.flows.conftest import LATE, SOON
from tests.flows.fleet_of_fakes import DOMAIN, Fleet

PLAN = "plan-demo-prod-hello"
Start = Callable[..., Future[None]]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts a deploy in a thread of its own, as it will wait for an answer."""
    monkeypatch.setattr("tasks.approvals.POLL_SECONDS", 0.2)
    with ThreadPoolExecutor(1) as pool:
        yield lambda *given, **named: pool.submit(copy_context().run, lambda: deploy(*given, **named))


def waiting() -> UUID:
    """The run that waits for an answer."""

    def look() -> UUID | None:
        paused = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED])))
        with get_client(sync_client=True) as client:
            found = client.read_flow_runs(flow_run_filter=paused)
        return found[0].id if found else None

    return wait_for("a run that waits", look, LATE * 4, SOON * 4)


def answer(**given: Any) -> None:
    """Fills in the form of the run that waits."""
    resume_flow_run(waiting(), run_input=given)


def shown_digest() -> str:
    """The digest of the plan that is shown."""
    return latest(PLAN).split("Digest of the plan: `")[1][:12]


def asking(fleet: Fleet, **changes: Any) -> Any:
    """The service in an environment that asks for approval."""
    return fleet.service(environment=fleet.environment(approval=True), **changes)


def test_a_plan_alone_is_shown_and_changes_nothing(fleet: Fleet) -> None:
    deploy(fleet.service(), plan_only=True)
    shown = latest(PLAN)
    assert shown.startswith("# Plan for hello in demo-prod\n\nDigest of the plan: `")
    rows = [line.split(" | ") for line in shown.splitlines() if line.startswith("| ")]
    parts = [row[0].removeprefix("| ") for row in rows[2:]]
    assert list(dict.fromkeys(parts)) == ["droplet", "firewall", "image", "container", "route", "record"]
    assert parts.count("droplet") == parts.count("record") == 2
    assert fleet.changes == []


def test_what_is_there_is_not_changed_by_a_plan_either(fleet: Fleet) -> None:
    deploy(fleet.service())
    before, release = fleet.changes, fleet.machines[0].releases["current"]
    fleet.write("two")
    deploy(fleet.service(), plan_only=True)
    assert fleet.changes == before
    assert latest(PLAN).count(f", beside {release} |") == 2
    assert latest(PLAN).count("| as it is |") == 5, "two droplets, the firewall and two records"


@pytest.mark.engine
def test_an_approved_plan_is_carried_out(fleet: Fleet, start: Start) -> None:
    running = start(asking(fleet, replicas=1))
    waiting()
    assert fleet.changes == []
    answer(approve=True, digest=shown_digest(), comment="looks good")
    running.result(60)
    assert fleet.records == fleet.everywhere
    assert "✅ deployed" in latest("deploy-demo-prod-hello")


@pytest.mark.engine
def test_a_refused_plan_changes_nothing_and_says_why(fleet: Fleet, start: Start) -> None:
    running = start(asking(fleet))
    answer(approve=False, comment="not on a Friday")
    with pytest.raises(NotApproved, match=r"was refused\. not on a Friday Nothing has been changed\."):
        running.result(60)
    assert fleet.changes == []


@pytest.mark.engine
def test_another_digest_is_no_approval(fleet: Fleet, start: Start) -> None:
    running = start(asking(fleet))
    answer(approve=True, digest="0123456789ab")
    with pytest.raises(NotApproved, match=r"The digest '0123456789ab' was confirmed, and the plan's is [0-9a-f]{12}\."):
        running.result(60)
    assert fleet.changes == []


@pytest.mark.engine
def test_a_plan_that_nobody_answers_ends_without_a_change(
    fleet: Fleet, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.approvals.MINUTE_SECONDS", 0.02)
    with pytest.raises(NotApproved, match=r"within 60 minutes\. Nothing has been changed\."):
        start(asking(fleet)).result(60)
    assert fleet.changes == []


@pytest.mark.engine
def test_a_record_that_changed_between_plan_and_approval_is_shown_and_refused(fleet: Fleet, start: Start) -> None:
    deploy(fleet.service(replicas=1))
    record = next(iter(fleet.dns.all.values()))
    fleet.write("two")
    before = fleet.machines[0].ids
    running = start(asking(fleet, replicas=1))
    waiting()
    digest = shown_digest()
    del fleet.dns.all[record.id]
    moved = fleet.dns.add(DOMAIN, "127.89.255.9", record.comment)
    answer(approve=True, digest=digest)
    with pytest.raises(WorldMoved, match="Nothing has been changed") as caught:
        running.result(60)
    assert {(one.old == "not there", one.new == "not there") for one in caught.value.moved} == {
        (False, True),
        (True, False),
    }
    shown = latest(PLAN)
    assert f"| A record {DOMAIN} ({record.id}) | to {record.content}, proxied" in shown
    assert f"| A record {DOMAIN} ({moved.id}) | not there | to 127.89.255.9, proxied" in shown
    assert fleet.machines[0].ids == before


@pytest.mark.engine
def test_a_folder_that_changed_between_plan_and_approval_is_refused_too(fleet: Fleet, start: Start) -> None:
    deploy(fleet.service(replicas=1))
    fleet.write("what somebody approves")
    before = fleet.machines[0].ids
    running = start(asking(fleet, replicas=1))
    waiting()
    fleet.write("what somebody slips in")
    answer(approve=True, digest=shown_digest())
    with pytest.raises(WorldMoved, match="content of the image") as caught:
        running.result(60)
    assert [one.what for one in caught.value.moved] == ["content of the image"]
    assert fleet.machines[0].ids == before


def test_without_approval_what_moved_meanwhile_is_planned_for_again(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(fleet.service(replicas=1))
    fleet.write("two")
    gone = next(iter(fleet.dns.all.values()))
    monkeypatch.setattr("tasks.approvals.ask", lambda *_: fleet.dns.all.pop(gone.id))
    deploy(fleet.service(replicas=1))
    assert fleet.records == fleet.everywhere
    assert gone.id not in fleet.dns.all


def test_a_run_that_is_not_to_wait_refuses_what_moved_meanwhile(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy(fleet.service(replicas=1))
    fleet.write("two")
    before = fleet.machines[0].ids
    monkeypatch.setattr("tasks.approvals.ask", lambda *_: fleet.dns.all.clear())
    with pytest.raises(WorldMoved):
        deploy(fleet.service(replicas=1), when_locked="fail")
    assert fleet.machines[0].ids == before
    assert fleet.records == []


def test_a_silent_droplet_stops_a_plan(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=1))
    fleet.machines[0].silence()
    with pytest.raises((TransientError, PermanentError), match="cannot be seen, so nothing has been changed"):
        deploy(fleet.service(replicas=1), plan_only=True)
