"""The flow `deploy` to fewer or more droplets, one of them first, or a few at a time."""

from __future__ import annotations

import time

import pytest

from fleet.errors import HostsFailed, InvalidInput, PermanentError
from fleet.state import Droplet
from flows.deploy import deploy
from flows.undeploy import undeploy
from tasks import rollouts
from tasks.rollouts import Pace, waves
from tests.flows.artifacts import latest
from tests.flows.fleet_of_fakes import DOMAIN, Fleet
from tests.flows.machines import Machine

REPORT = "deploy-demo-prod-hello"


def has_it(fleet: Fleet) -> list[Machine]:
    """The machines that the service is on."""
    return [machine for machine in fleet.machines if machine.releases]


def failing(call: str, fleet: Fleet, errors: list[PermanentError]) -> None:
    """Removing a record fails once, when another one has been removed."""
    if call == "dns.remove" and len(fleet.dns.all) == 3 and errors:
        raise errors.pop()


def test_fewer_replicas_take_the_newest_droplets_out_and_leave_them_empty(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=2))
    deploy(fleet.service(replicas=3))
    deploy(fleet.service(replicas=1))
    assert len(has_it(fleet)) == 1
    stays = has_it(fleet)[0]
    assert fleet.records == [(DOMAIN, stays.address)]
    assert len(fleet.droplets.all) == 3, "the droplets stay"
    left = [machine for machine in fleet.machines if machine is not stays]
    assert [machine.router.table.routes for machine in left] == [(), ()]
    assert [len(machine.engine.stock.images) for machine in left] == [0, 0]
    assert latest(REPORT).count("| drained away |") == 2


def test_a_droplet_is_left_record_first_then_route_then_container_and_only_when_the_rest_serves(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=2))
    fleet.write("two")
    seen: list[tuple[int, int, int]] = []
    leaving = fleet.machines[-1]
    for machine in fleet.machines:
        machine.engine.crashes.watch = machine.router.crashes.watch = lambda: seen.append(
            (len(fleet.dns.all), len(leaving.router.table.routes), len(leaving.engine._found))
        )
    deploy(fleet.service(replicas=1))
    assert list(dict.fromkeys(seen)) == [(2, 1, 1), (1, 1, 1), (1, 0, 1), (1, 0, 0)]
    assert leaving.releases == {}


def test_empty_droplets_are_destroyed_when_asked_and_others_are_not(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=3))
    other = fleet.service(replicas=1, name="shop", runs={"port": 8081, "domains": [f"shop.{fleet.dns.zone}"]})
    deploy(other)
    deploy(fleet.service(replicas=1), remove_empty=True)
    assert len(fleet.droplets.all) in (1, 2), "the one with the other service is not empty"
    there = {one.name for one in fleet.droplets.all.values()}
    assert {machine.name for machine in has_it(fleet)} == there
    assert {name for name, _ in fleet.records} == {DOMAIN, f"shop.{fleet.dns.zone}"}


def test_more_replicas_after_fewer_use_the_empty_droplets_again(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=2))
    deploy(fleet.service(replicas=1))
    deploy(fleet.service(replicas=3))
    assert len(fleet.droplets.requests) == 3
    assert fleet.records == fleet.everywhere


def test_an_undeploy_of_one_droplet_lowers_the_number_until_the_next_deploy(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=2))
    undeploy(fleet.service(replicas=2), droplet=fleet.machines[0].name)
    assert len(fleet.records) == 1
    deploy(fleet.service(replicas=2))
    assert fleet.records == fleet.everywhere
    assert len(fleet.droplets.requests) == 2


def test_when_visitors_cannot_be_kept_from_a_droplet_that_is_left_no_droplet_gets_the_new_release(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=2))
    fleet.write("two")
    before, records = fleet.serving, fleet.records
    fleet.dns.faults.fail("dns.remove", PermanentError("the zone is locked"))
    with pytest.raises(HostsFailed, match="the zone is locked"):
        deploy(fleet.service(replicas=1))
    assert fleet.serving == before
    assert fleet.records == records
    assert "❌ failed: every droplet serves what it served before" in latest(REPORT)


def test_records_that_were_removed_already_come_back_when_another_cannot_be(fleet: Fleet) -> None:
    two = {"port": 8080, "domains": [DOMAIN, f"www.{DOMAIN}"]}
    deploy(fleet.service(replicas=2, runs=two))
    records = fleet.records
    failure = [PermanentError("the zone is locked")]
    fleet.dns.faults.watch = lambda call: failing(call, fleet, failure)
    with pytest.raises(HostsFailed, match="the zone is locked"):
        deploy(fleet.service(replicas=1, runs=two))
    assert fleet.records == records


def test_a_droplet_that_cannot_be_left_fails_the_run_but_takes_nothing_back(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=2))
    fleet.write("two")
    leaving = fleet.machines[-1]
    leaving.router.refusing = "it is out of order"
    with pytest.raises(HostsFailed, match=r"Draining .* away failed on 1 of 1 droplets"):
        deploy(fleet.service(replicas=1))
    assert len(fleet.serving) == 1
    assert len(fleet.records) == 1
    assert "⚠️ the release serves everywhere, but what comes after was not finished" in latest(REPORT)
    leaving.router.refusing = ""
    deploy(fleet.service(replicas=1))
    assert leaving.releases == {}


def hosts(number: int) -> list[Droplet]:
    """Droplets that have nothing but names."""
    blank = Droplet(0, "", "active", "", "", "", frozenset(), None, None, created_at=None)  # type: ignore[arg-type]
    return [Droplet(**{**vars(blank), "name": f"d{index}"}) for index in range(number)]


@pytest.mark.parametrize(
    ("number", "current", "pace", "expected"),
    [
        (3, ["d0"], Pace(), [["d0", "d1", "d2"]]),
        (5, [], Pace(max_parallel=2), [["d0", "d1"], ["d2", "d3"], ["d4"]]),
        (3, ["d1", "d2"], Pace(canary=True), [["d1"], ["d0", "d2"]]),
        (3, [], Pace(canary=True, max_parallel=1), [["d0"], ["d1"], ["d2"]]),
        (1, ["d0"], Pace(canary=True), [["d0"]]),
    ],
)
def test_droplets_switch_in_groups(number: int, current: list[str], pace: Pace, expected: list[list[str]]) -> None:
    found = waves(hosts(number), dict.fromkeys(current, "x"), pace)
    assert [[one.name for one in group] for group in found] == expected


def test_at_most_so_many_droplets_switch_at_a_time(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=3))
    fleet.write("two")
    switched: list[str] = []
    for machine in fleet.machines:
        machine.router.crashes.watch = lambda name=machine.name: switched.append(name)  # type: ignore[misc]
    deploy(fleet.service(replicas=3), max_parallel=1)
    assert fleet.records == fleet.everywhere
    assert len(fleet.serving) == 1


@pytest.mark.engine
def test_a_canary_that_is_well_is_followed_by_the_rest(fleet: Fleet) -> None:
    deploy(fleet.service())
    fleet.write("two")
    began = time.monotonic()
    deploy(fleet.service(), canary=True, soak_seconds=1)
    assert time.monotonic() - began >= 1
    assert len(fleet.serving) == 1
    assert "✅ deployed" in latest(REPORT)


def test_a_canary_that_writes_errors_is_taken_back_and_the_others_never_switch(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(fleet.service())
    before = [machine.releases["current"] for machine in fleet.machines]
    fleet.write("two")
    canary, other = fleet.machines
    renames = other.engine.crashes.calls.count("engine.rename")

    def complain() -> None:
        current = next((one for one in canary.engine._found.values() if one.role == "current"), None)
        if current and current.release not in before:
            canary.engine.crashes.watch = lambda: None
            canary.engine.say(current.full_name, "ERROR it cannot reach the database", "stderr")

    canary.engine.crashes.watch = complain
    with pytest.raises(HostsFailed, match=r"The canary with .* failed on 1 of 1 droplets") as caught:
        deploy(fleet.service(), canary=True, soak_seconds=20)
    assert "the canary is degraded" in caught.value.failures[canary.name]
    assert "ERROR it cannot reach the database" in caught.value.logs[canary.name]
    assert [machine.releases["current"] for machine in fleet.machines] == before
    assert other.engine.crashes.calls.count("engine.rename") == renames
    assert "candidate" not in other.releases, "a healthy candidate goes"
    assert fleet.records == fleet.everywhere
    assert f"### The container's last lines on {canary.name}" in latest(REPORT)


@pytest.mark.engine
@pytest.mark.parametrize(("soak_seconds", "max_parallel"), [(-1, 0), (3601, 0), (60, -1)])
def test_options_out_of_range_are_refused_at_the_door(fleet: Fleet, soak_seconds: int, max_parallel: int) -> None:
    with pytest.raises(InvalidInput, match="Input should be"):
        deploy(fleet.service(), soak_seconds=soak_seconds, max_parallel=max_parallel)
    assert fleet.changes == []


def test_a_run_that_is_cancelled_after_some_have_switched_takes_every_droplet_back(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(fleet.service())
    before, records = fleet.serving, fleet.records
    fleet.write("two")

    def cancel(*_: object) -> None:
        assert len(fleet.serving) == 2, "the canary has switched"
        raise KeyboardInterrupt

    monkeypatch.setattr(rollouts, "soak", cancel)
    with pytest.raises(KeyboardInterrupt):
        deploy(fleet.service(), canary=True)
    assert (fleet.serving, fleet.records) == (before, records)
    assert "❌ failed: every droplet serves what it served before" in latest(REPORT)
    assert "The run was cancelled" in latest(REPORT)
