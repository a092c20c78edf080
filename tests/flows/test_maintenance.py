"""The flow `maintenance`, with real agents on fake droplets: a page everywhere or nowhere."""

from __future__ import annotations

import json
import re

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.sorting import FlowRunSort

from agent import wire
from agent.client import AgentClient
from agent.server import leases
from fleet.errors import HostsFailed, InvalidInput, TransientError
from flows.deploy import deploy
from flows.health_check import health_check
from flows.maintenance import maintenance
from flows.rollback import rollback
from flows.undeploy import undeploy
from tasks.agents import Leased, reach
from tasks.releases import HalfDone
from tests.flows.artifacts import latest
from tests.flows.fleet_of_fakes import DOMAIN, ZONE, Fleet
from tests.flows.test_undeploy_kills import LEASE, killed_everywhere
from tests.flows.undeploying import awake
from tests.unit.agent.test_leases import Clock

REPORT = "maintenance-demo-prod-hello"
PAGE = wire.Maintenance(retry_after_seconds=60, message="We move house")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time of all agents, which stands still until it is moved on."""
    made = Clock()
    monkeypatch.setattr(leases, "moment", made)
    return made


def begin(fleet: Fleet, replicas: int = 2) -> None:
    """Visitors of `hello` get the page."""
    maintenance(fleet.service(replicas), retry_after_seconds=60, message="We move house")


def pages(fleet: Fleet) -> list[wire.Maintenance | None]:
    """What each machine's nginx shows under the name."""
    return [route.maintenance for machine in fleet.machines for route in machine.router.table.routes]


def statuses(fleet: Fleet) -> list[int]:
    """What the hosts of the name answer."""
    return [status for status, _ in fleet.visit(DOMAIN)]


def test_maintenance_is_shown_on_every_droplet_and_the_containers_run_on(fleet: Fleet) -> None:
    deploy(fleet.service())
    ids = [machine.ids for machine in fleet.machines]
    begin(fleet)
    assert pages(fleet) == [PAGE, PAGE]
    assert statuses(fleet) == [503, 503]
    assert fleet.waits(DOMAIN) == {"60"}
    assert {body for _, body in fleet.visit(DOMAIN)} == {"Under maintenance. We move house\n"}
    assert [machine.ids for machine in fleet.machines] == ids
    report = latest(REPORT)
    assert "🚧 visitors get the maintenance page (retry after 60 s, 'We move house')" in report
    assert all(
        f"| {machine.name} | {machine.address} | the service | the maint" in report for machine in fleet.machines
    )
    assert re.search(rf"\| \[{re.escape(DOMAIN)}\]\(.*\) \| 503 \|", report)


def test_maintenance_that_is_switched_off_shows_the_service_again(fleet: Fleet) -> None:
    deploy(fleet.service())
    begin(fleet)
    maintenance(fleet.service(), on=False)
    assert pages(fleet) == [None, None]
    assert statuses(fleet) == [200, 200]
    assert "✅ visitors get the service again" in latest(REPORT)


@pytest.mark.parametrize("on", [True, False], ids=["on", "off"])
def test_a_second_switch_the_same_way_touches_nothing_and_says_so(fleet: Fleet, on: bool) -> None:
    deploy(fleet.service())
    maintenance(fleet.service(), on=on)
    before, shown = fleet.changes, pages(fleet)
    updates = [machine.router.crashes.calls.count("router.update") for machine in fleet.machines]
    maintenance(fleet.service(), on=on)
    assert (fleet.changes, pages(fleet)) == (before, shown)
    assert [machine.router.crashes.calls.count("router.update") for machine in fleet.machines] == updates
    assert "✅ nothing to do: every droplet shows the " in latest(REPORT)


def test_another_message_replaces_the_one_before(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=1))
    begin(fleet, replicas=1)
    maintenance(fleet.service(replicas=1), retry_after_seconds=5, message="  Almost done  ")
    assert pages(fleet) == [wire.Maintenance(retry_after_seconds=5, message="Almost done")]


@pytest.mark.parametrize("on", [True, False], ids=["on", "off"])
def test_a_droplet_that_refuses_takes_all_of_them_back_to_what_they_showed_and_is_named(fleet: Fleet, on: bool) -> None:
    deploy(fleet.service(replicas=3))
    if not on:
        begin(fleet, replicas=3)
    before, refusing = pages(fleet), fleet.machines[1]
    refusing.router.refusing = "it is out of order"
    with pytest.raises(HostsFailed, match=r"Showing the .* failed on 1 of 3 droplets") as caught:
        maintenance(fleet.service(replicas=3), on=on)
    assert list(caught.value.failures) == [refusing.name]
    assert pages(fleet) == before
    assert "❌ failed: every droplet shows what it showed before" in latest(REPORT)
    refusing.router.refusing = ""
    maintenance(fleet.service(replicas=3), on=on)
    assert len(set(statuses(fleet))) == 1
    assert (set(statuses(fleet)) == {503}) is on


def test_a_droplet_that_falls_silent_in_the_middle_is_told_and_the_next_run_goes_on(fleet: Fleet, clock: Clock) -> None:
    deploy(fleet.service())
    silent, other = fleet.machines
    begin_one = AgentClient.begin_maintenance

    def begin_and_end(client: AgentClient, name: str, body: wire.Maintenance) -> wire.Changed:
        changed = begin_one(client, name, body)
        if silent.router.table.routes[0].maintenance and silent.answers:
            silent.silence()
        return changed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AgentClient, "begin_maintenance", begin_and_end)
        with pytest.raises(HalfDone, match="run the maintenance again") as caught:
            begin(fleet)
    assert list(caught.value.left) == [silent.name]
    assert "may show the maintenance page" in caught.value.left[silent.name]
    assert "it showed the service before" in caught.value.left[silent.name]
    assert [route.maintenance for route in other.router.table.routes] == [None]
    assert f"| {silent.name} | {silent.address} | the service | may show the maintenance page" in latest(REPORT)
    awake(fleet, silent)
    clock.wait(LEASE)
    maintenance(fleet.service(), on=False)
    assert pages(fleet) == [None, None]


def test_a_page_that_is_not_seen_from_outside_is_taken_back(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy(fleet.service())
    monkeypatch.setattr(fleet, "visit", lambda *_: [(200, "")])
    with pytest.raises(TransientError, match="it does not show the maintenance page"):
        begin(fleet)
    assert pages(fleet) == [None, None]


def test_a_page_with_another_time_than_was_asked_for_is_not_the_page(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(fleet.service(replicas=1))
    monkeypatch.setattr(fleet, "waits", lambda _: {"61"})
    with pytest.raises(TransientError, match="answers 503 with Retry-After 61, not 503 with 60"):
        begin(fleet, replicas=1)
    assert pages(fleet) == [None]


def test_a_service_that_does_not_answer_once_the_page_is_off_gets_it_back(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(fleet.service())
    begin(fleet)
    monkeypatch.setattr(fleet, "visit", lambda *_: [(502, "")])
    with pytest.raises(TransientError, match="answers 502"):
        maintenance(fleet.service(), on=False)
    assert pages(fleet) == [PAGE, PAGE]


def test_a_deploy_changes_the_release_behind_the_page_which_stays_until_it_is_switched_off(fleet: Fleet) -> None:
    deploy(fleet.service())
    old = fleet.machines[0].releases["current"]
    begin(fleet)
    fleet.write("two")
    deploy(fleet.service())
    new = fleet.machines[0].releases["current"]
    assert new > old
    assert pages(fleet) == [PAGE, PAGE]
    report = latest("deploy-demo-prod-hello")
    assert "✅ deployed" in report
    assert "🚧 Visitors get the maintenance page, until the flow `maintenance` switches it off." in report
    rollback(fleet.service())
    assert [machine.releases["current"] for machine in fleet.machines] == [old, old]
    assert statuses(fleet) == [503, 503]
    assert "🚧 Visitors get the maintenance page" in latest("rollback-demo-prod-hello")
    maintenance(fleet.service(), on=False)
    assert fleet.serving == {old}


def test_with_nothing_to_deploy_the_page_stays_untouched(fleet: Fleet) -> None:
    deploy(fleet.service())
    begin(fleet)
    deploy(fleet.service())
    assert "✅ nothing to do" in latest("deploy-demo-prod-hello")
    assert pages(fleet) == [PAGE, PAGE]


def test_a_deploy_that_fails_under_maintenance_leaves_the_page_in_front_of_the_release_before(fleet: Fleet) -> None:
    deploy(fleet.service())
    old = fleet.machines[0].releases["current"]
    begin(fleet)
    fleet.write("two")
    fleet.machines[1].router.refusing = "it is out of order"
    with pytest.raises(HostsFailed, match="Promoting"):
        deploy(fleet.service())
    assert pages(fleet) == [PAGE, PAGE]
    assert [machine.releases["current"] for machine in fleet.machines] == [old, old]


def test_droplets_that_join_show_the_page_from_their_first_route_on(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=2))
    deploy(fleet.service(replicas=1))
    begin(fleet, replicas=1)
    joining = next(machine for machine in fleet.machines if not machine.releases)
    shown: list[list[wire.Maintenance | None]] = []
    joining.router.crashes.watch = lambda: shown.append([one.maintenance for one in joining.router.table.routes])
    deploy(fleet.service(replicas=3))
    assert [page for pages in shown for page in pages] == [PAGE] * sum(map(bool, shown))
    assert pages(fleet) == [PAGE] * 3
    assert fleet.records == fleet.everywhere
    maintenance(fleet.service(replicas=3), on=False)
    assert statuses(fleet) == [200] * 3


def test_a_droplet_that_leaves_takes_its_page_along_and_comes_back_with_the_services(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=2))
    begin(fleet)
    deploy(fleet.service(replicas=1))
    assert pages(fleet) == [PAGE]
    maintenance(fleet.service(replicas=1), on=False)
    deploy(fleet.service(replicas=2))
    assert pages(fleet) == [None, None]


def test_names_that_come_during_maintenance_show_the_page_too(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=1))
    begin(fleet, replicas=1)
    more = {"port": 8080, "domains": [DOMAIN, f"hi.{ZONE}"], "start_seconds": 5}
    deploy(fleet.service(replicas=1, runs=more))
    assert pages(fleet) == [PAGE, PAGE]


def test_a_deploy_finishes_a_maintenance_that_was_cut_off(fleet: Fleet) -> None:
    deploy(fleet.service())
    begin(fleet)
    first = fleet.machines[0].router
    bare = tuple(route.model_copy(update={"maintenance": None}) for route in first.table.routes)
    first.update(lambda _: wire.Routes(routes=bare))
    deploy(fleet.service())
    assert pages(fleet) == [PAGE, PAGE]
    assert "keep the maintenance page" in latest("plan-demo-prod-hello")


def test_an_undeploy_removes_the_page_with_the_route(fleet: Fleet) -> None:
    deploy(fleet.service())
    begin(fleet)
    undeploy(fleet.service())
    assert pages(fleet) == []
    deploy(fleet.service())
    assert statuses(fleet) == [200, 200]


def test_the_page_survives_a_restart_of_every_agent(fleet: Fleet) -> None:
    deploy(fleet.service())
    begin(fleet)
    for machine in fleet.machines:
        machine.silence()
        awake(fleet, machine)
    begin(fleet)
    assert "✅ nothing to do" in latest(REPORT)
    assert pages(fleet) == [PAGE, PAGE]


@pytest.mark.engine
def test_a_health_check_finds_a_service_under_maintenance_well_and_says_why_nobody_sees_it(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=1))
    begin(fleet, replicas=1)
    health_check(fleet.environment())
    rows = {row["container"]: row for row in json.loads(latest("fleet-health"))}
    assert rows.pop("(the droplet)")["verdict"].endswith(" healthy")
    assert rows.pop(DOMAIN)["reason"] == "visitors get the maintenance page"
    (row,) = rows.values()
    assert row["verdict"].endswith(" healthy")
    assert row["reason"].startswith("under maintenance; ")


@pytest.mark.parametrize(
    ("runs", "kind"),
    [
        ({"kind": "tcp", "port": 6379}, "tcp"),
        ({"kind": "worker"}, "worker"),
        ({"kind": "scheduled", "cron": "0 4 * * *"}, "scheduled"),
    ],
)
def test_a_service_that_no_visitor_comes_to_is_refused_before_anybody_is_asked(
    fleet: Fleet, runs: dict[str, object], kind: str
) -> None:
    calls = len(fleet.cloud.faults.calls)
    with pytest.raises(InvalidInput, match=f"hello is a {kind} service: no visitor comes to it"):
        maintenance(fleet.service(replicas=1, runs=runs))
    assert len(fleet.cloud.faults.calls) == calls


def test_a_service_that_runs_nowhere_is_refused(fleet: Fleet) -> None:
    with pytest.raises(InvalidInput, match=r"hello runs on no droplet of demo-prod\. Deploy it\."):
        maintenance(fleet.service())


@pytest.mark.engine
@pytest.mark.parametrize(
    ("retry_after_seconds", "message", "said"),
    [
        (0, "", "Input should be"),
        (86_401, "", "Input should be"),
        (60, "x" * 301, "at most 300"),
        (60, "one\ntwo", "on one line"),
    ],
)
def test_a_page_that_cannot_be_shown_is_refused_at_the_door(
    fleet: Fleet, retry_after_seconds: int, message: str, said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        maintenance(fleet.service(), retry_after_seconds=retry_after_seconds, message=message)
    assert fleet.changes == []


def test_a_droplet_that_cannot_be_seen_stops_it_before_anything_is_changed(fleet: Fleet) -> None:
    deploy(fleet.service())
    fleet.machines[1].silence()
    with pytest.raises(TransientError, match="cannot be seen, so nothing has been changed"):
        begin(fleet)
    assert pages(fleet) == [None, None]


def test_another_run_that_holds_the_lock_is_named_and_nothing_is_shown(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=1))
    (droplet,) = fleet.droplets.all.values()
    (one,) = fleet.machines[0].engine.instances()
    with reach(fleet.environment(), droplet) as agent:
        agent.take_lease(one.name, wire.LeaseRequest(holder="deploy of somebody else"))
    with pytest.raises(Leased, match="deploy of somebody else holds it"):
        maintenance(fleet.service(replicas=1), when_locked="fail")
    assert pages(fleet) == [None]


@pytest.mark.engine
def test_a_run_is_named_after_what_it_switches_which_way_and_where(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=1))
    for on in (True, False):
        maintenance(fleet.service(replicas=1), on=on)
        with get_client(sync_client=True) as client:
            (run,) = client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=1)
        assert run.name == f"maintenance {'on' if on else 'off'} for hello in demo-prod"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("on", [True, False], ids=["on", "off"])
def test_a_run_that_is_killed_anywhere_is_finished_by_the_next_one(fleet: Fleet, clock: Clock, on: bool) -> None:
    deploy(fleet.service())

    def check() -> None:
        assert len(pages(fleet)) == 2
        assert {bool(page) for page in pages(fleet)} == {on}

    seen = killed_everywhere(
        fleet,
        clock,
        lambda: maintenance(fleet.service(), on=not on),
        lambda: maintenance(fleet.service(), on=on),
        check,
    )
    assert seen >= {"agent.take_lease", "agent.begin_maintenance" if on else "agent.end_maintenance"}


def test_a_switch_that_is_cancelled_has_every_droplet_show_what_it_showed(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(fleet.service())

    def cancel(*_: object) -> None:
        assert pages(fleet) == [PAGE, PAGE]
        raise KeyboardInterrupt

    monkeypatch.setattr("tasks.reports.verify_back", cancel)
    with pytest.raises(KeyboardInterrupt):
        begin(fleet)
    assert pages(fleet) == [None, None]
    assert "❌ failed: every droplet shows what it showed before" in latest(REPORT)
