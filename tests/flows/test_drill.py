"""The flow `drill`: one fault, watched, and undone however the run ends."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from agent.server.drills import Drills
from agent.server.errors import Failure
from blocks.environment import Environment
from fleet.drills import Fault
from fleet.errors import InvalidInput, PermanentError, TransientError
from fleet.state import Droplet
from flows.deploy import deploy
from flows.drill import drill
from flows.health_check import health_check
from tasks.agents import reach
from tasks.drills import injecting
from tasks.drills.files import History, Notes
from tests.flows.drilling import Systemd
from tests.flows.fleet_of_fakes import DOMAIN, Fleet


@pytest.fixture
def systemd(fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Systemd:
    deploy(fleet.service())
    return Systemd(fleet, tmp_path, monkeypatch)


def test_a_killed_container_is_noticed_and_well_again_and_both_times_are_told(fleet: Fleet, systemd: Systemd) -> None:
    drill(fleet.environment(production=False))
    first = fleet.machines[0]
    (row,) = systemd.table
    assert (row["droplet"], row["fault"], row["outcome"]) == (first.name, "container", "well again")
    assert (row["noticed after"], row["by"]) == ("0.0 s", "agent")
    assert "it does not run: exited" in row["saw"]
    assert row["well again after"] == "10.0 s"
    assert row["undone after"] == ""
    assert systemd.done == [f"docker kill {first.engine.instances()[0].name}"]


def test_nginx_stopped_is_seen_through_the_edge_and_undone_when_its_time_is_over(
    fleet: Fleet, systemd: Systemd
) -> None:
    drill(fleet.environment(production=False), fault="nginx", seconds=30)
    (row,) = systemd.table
    assert (row["by"], row["outcome"]) == ("edge", "well again")
    assert f"{DOMAIN}:80/ answers 521" in row["saw"].replace(f":{fleet.edge.server_port}", ":80")
    assert (row["undone after"], row["well again after"]) == ("30.0 s", "30.0 s")
    assert systemd.done == ["systemctl stop nginx.service", "systemctl start nginx.service"]


@pytest.mark.parametrize("fault", ["agent-hang", "agent-kill"])
def test_an_agent_that_is_silent_comes_back_and_containers_do_not_notice(
    fleet: Fleet, systemd: Systemd, fault: Fault
) -> None:
    before = [machine.ids for machine in fleet.machines]
    drill(fleet.environment(production=False), fault=fault)
    (row,) = systemd.table
    assert (row["by"], row["outcome"]) == ("agent", "well again")
    assert "did not answer" in row["saw"]
    assert [machine.ids for machine in fleet.machines] == before


def test_a_droplet_is_powered_off_and_on_again(fleet: Fleet, systemd: Systemd) -> None:
    second = fleet.machines[1].name
    drill(fleet.environment(production=False), fault="droplet", droplet=second, seconds=20)
    (row,) = systemd.table
    assert (row["droplet"], row["by"], row["saw"]) == (second, "provider", "the droplet is off")
    assert {one.status for one in fleet.droplets.all.values()} == {"active"}
    assert Notes().read() == []


@pytest.mark.parametrize(("fault", "port"), [("network-controller", "9999"), ("network-edge", "443")])
def test_the_firewall_shuts_and_is_as_before(
    fleet: Fleet, systemd: Systemd, fault: Fault, port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (before,) = fleet.cloud.firewalls.all.values()
    shut = set[bool]()
    systemd.on_sleep = lambda: shut.add(
        port not in {rule.ports for wall in fleet.cloud.firewalls.all.values() for rule in wall.inbound}
    )
    drill(fleet.environment(production=False), fault=fault, seconds=10)
    (after,) = fleet.cloud.firewalls.all.values()
    assert shut == {True, False} or shut == {True}
    assert (after.inbound, after.tags) == (before.inbound, before.tags)
    assert Notes().read() == []


def test_a_drill_that_nobody_notices_says_so(fleet: Fleet, systemd: Systemd) -> None:
    drill(fleet.environment(production=False), fault="docker", seconds=10)
    assert systemd.table[0]["outcome"] == "nobody noticed anything"


def test_the_history_has_the_newest_first_and_is_bounded(
    fleet: Fleet, systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.drills.files.MOST_RECORDS", 2)
    faults: tuple[Fault, ...] = ("docker", "nginx", "container")
    for fault in faults:
        drill(fleet.environment(production=False), fault=fault, seconds=10)
    assert [row["fault"] for row in systemd.table] == ["container", "nginx"]
    assert len(History().read()) == 2


def test_production_is_spared_unless_the_run_insists(fleet: Fleet, systemd: Systemd) -> None:
    with pytest.raises(InvalidInput, match="demo-prod is marked as production"):
        drill(fleet.environment())
    assert systemd.done == []
    drill(fleet.environment(), force=True)
    assert systemd.table[0]["outcome"] == "well again"


def test_what_is_ill_already_is_no_subject_for_a_drill(fleet: Fleet, systemd: Systemd) -> None:
    systemd.down.add(fleet.machines[0].address)
    with pytest.raises(PermanentError, match=r"is not well before the drill: the edge says: .* answers 521"):
        drill(fleet.environment(production=False))
    assert (systemd.done, systemd.table) == ([], [])


@pytest.mark.parametrize(("droplet", "service"), [("demo-prod-none", ""), ("", "none")])
def test_a_droplet_or_service_that_is_not_there_is_refused_with_those_that_are(
    fleet: Fleet, systemd: Systemd, droplet: str, service: str
) -> None:
    with pytest.raises(InvalidInput, match=f"There are: {fleet.machines[0].name}, {fleet.machines[1].name}"):
        drill(fleet.environment(production=False), droplet=droplet, service=service)


def test_the_shared_disk_of_a_sandbox_is_not_filled(fleet: Fleet, systemd: Systemd) -> None:
    with pytest.raises(InvalidInput, match="share this machine's disk"):
        drill(fleet.environment(production=False), fault="disk")


def test_a_file_of_a_given_size_comes_and_goes(fleet: Fleet, systemd: Systemd) -> None:
    path, sizes = fleet.machines[0].folder / "state" / "drill.fill", set[int]()
    systemd.on_sleep = lambda: sizes.add(path.stat().st_size if path.exists() else 0)
    drill(fleet.environment(production=False), fault="disk", seconds=10, fill_mib=1)
    assert sizes == {1 << 20, 0}
    assert not path.exists()


class Cancelled(BaseException):
    """What *Cancel* in the UI is to a run."""


@pytest.mark.parametrize("fault", ["nginx", "droplet"])
def test_a_run_that_is_cancelled_undoes_its_fault_and_leaves_a_record(
    fleet: Fleet, systemd: Systemd, fault: Fault
) -> None:
    def cancel() -> None:
        raise Cancelled

    systemd.on_sleep = cancel
    with pytest.raises(Cancelled):
        drill(fleet.environment(production=False), fault=fault)
    assert systemd.down == set()
    assert {one.status for one in fleet.droplets.all.values()} == {"active"}
    assert systemd.table[0]["outcome"].startswith("the run did not end well: Cancelled")


def test_a_run_that_was_killed_is_undone_by_the_next_health_check(
    fleet: Fleet, systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill() -> None:
        raise Cancelled

    environment = fleet.environment(production=False)
    systemd.on_sleep = kill
    with monkeypatch.context() as patch:
        patch.setattr(injecting, "undo", lambda *_: None)
        with pytest.raises(Cancelled):
            drill(environment, fault="droplet", seconds=10)
    assert {one.status for one in fleet.droplets.all.values()} == {"active", "off"}
    health(environment, monkeypatch)
    assert {one.status for one in fleet.droplets.all.values()} == {"active", "off"}, "its time is not over yet"
    systemd.sleep_long(timedelta(minutes=5))
    health(environment, monkeypatch)
    assert {one.status for one in fleet.droplets.all.values()} == {"active"}
    health(environment, monkeypatch)
    assert Notes().read() == []


def health(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """A round that looks at nothing else."""
    with monkeypatch.context() as patch:
        patch.setattr("tasks.health.another_round_runs", lambda: False)
        patch.setattr("tasks.health.sweep_all", lambda _: [])
        patch.setattr("tasks.rounds.finish", lambda *_: None)
        patch.setattr("tasks.health.report", lambda _: None)
        patch.setattr("tasks.kept.refresh_all", lambda _: None)
        health_check(environment)


def test_an_agent_that_cannot_be_told_to_end_it_is_no_failure_as_the_droplet_ends_it(
    fleet: Fleet, systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise TransientError("the agent did not answer")

    monkeypatch.setattr(injecting, "end", away)
    systemd.after(14, lambda: systemd.down.clear())
    drill(fleet.environment(production=False), fault="nginx", seconds=10)
    assert systemd.table[0]["outcome"] == "well again"


def test_notes_that_cannot_be_read_are_none(systemd: Systemd, tmp_path: Path) -> None:
    (tmp_path / "drills").mkdir()
    (tmp_path / "drills" / "open.json").write_text(json.dumps([{"fault": 1}]))
    assert Notes().read() == []


def test_two_faults_of_the_account_are_not_made_at_once(fleet: Fleet, systemd: Systemd) -> None:
    environment = fleet.environment(production=False)
    refused = list[str]()

    def another() -> None:
        systemd.on_sleep = lambda: None
        with pytest.raises(PermanentError, match="Another drill is under way in demo-prod: network-edge") as caught:
            drill(environment, fault="droplet", droplet=fleet.machines[1].name, seconds=10)
        refused.append(caught.value.message)

    systemd.on_sleep = another
    drill(environment, fault="network-edge", seconds=10)
    assert len(refused) == 1
    assert Notes().read() == []


def test_a_run_that_is_cancelled_while_the_droplet_goes_off_waits_for_that_and_powers_it_on(
    fleet: Fleet, systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = list[str]()

    def slow(droplet_id: int) -> Droplet | None:
        found = read(droplet_id)
        reads.append(found.status if found else "")
        return replace(found, status="active") if found and len(reads) < 4 else found

    read = fleet.droplets.read
    environment = fleet.environment(production=False)
    with monkeypatch.context() as patch:
        patch.setattr("tasks.drills.injecting.make", lambda note, _: power_off_and_die(fleet, note.droplet_id))
        patch.setattr(fleet.droplets, "read", slow)
        with pytest.raises(Cancelled):
            drill(environment, fault="droplet", seconds=10)
    assert {one.status for one in fleet.droplets.all.values()} == {"active"}


def power_off_and_die(fleet: Fleet, droplet_id: int) -> None:
    """The droplet was told to go off when the run was cancelled."""
    fleet.droplets.act(droplet_id, "power_off")
    raise Cancelled


def test_a_droplet_that_refuses_the_drill_gets_its_lease_back(
    fleet: Fleet, systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise Failure(502, "drill", "The drill did not start: no such unit", "Bake a base snapshot.")

    monkeypatch.setattr(Drills, "_start", refuse)
    environment = fleet.environment(production=False)
    with pytest.raises(PermanentError, match="The drill did not start"):
        drill(environment)
    for droplet in fleet.droplets.all.values():
        with reach(environment, droplet) as agent:
            assert agent.leases().leases == ()


def test_a_firewall_that_is_shut_already_is_not_taken_for_how_it_should_be(fleet: Fleet, systemd: Systemd) -> None:
    (wall,) = fleet.cloud.firewalls.all.values()
    shut = tuple(rule for rule in wall.inbound if rule.ports != "9999")
    fleet.cloud.firewalls.all[wall.name] = replace(wall, inbound=shut)
    with pytest.raises(PermanentError, match="nobody comes in at 9999"):
        drill(fleet.environment(production=False), fault="network-edge", seconds=10)
    assert fleet.cloud.firewalls.all[wall.name].inbound == shut
    assert Notes().read() == []


def test_a_droplet_whose_place_another_has_taken_meanwhile_stays_off(fleet: Fleet, systemd: Systemd) -> None:
    first = min(fleet.droplets.all.values(), key=lambda one: one.name)

    def retire() -> None:
        found = fleet.droplets.all[first.id]
        fleet.droplets.all[first.id] = replace(found, tags=frozenset({"deployer", "deployer-retired"}))
        systemd.on_sleep = lambda: None

    systemd.on_sleep = retire
    drill(fleet.environment(production=False), fault="droplet", droplet=first.name, seconds=10)
    assert fleet.droplets.all[first.id].status == "off"
    assert systemd.table[0]["outcome"] == "not well again when the drill ended"
    assert Notes().read() == []
