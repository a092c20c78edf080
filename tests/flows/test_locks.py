"""Locks of runs, with real agents on fake droplets: who waits, who fails, and who is refused."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from threading import Event
from typing import Any

import pytest
from prefect import flow

from agent import wire
from agent.client import AgentClient
from agent.server import leases
from fleet.errors import DeployerError, HostsFailed, PermanentError
from fleet.state import Droplet
from flows.deploy import deploy
from flows.rollback import rollback
from flows.undeploy import undeploy
from tasks import encounters, locks
from tasks.agents import Leased, reach
from tasks.releases import OVERTAKEN
from tests.contract.sandbox.cloudflare.serving import until
from tests.flows.artifacts import latest
from tests.flows.fleet_of_fakes import Fleet
from tests.flows.machines import Machine
from tests.unit.agent.test_leases import Clock

pytestmark = pytest.mark.engine
LEASE = 60
WAIT = 60.0
CHANGING = ("engine.create", "engine.rename", "engine.start", "engine.stop", "engine.remove")


class Pause:
    """Holds the next calls of one method of the client, as if the controller's machine slept; then they go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, method: str, calls: int) -> None:
        self.entered, self.go_on, self._left = Event(), Event(), calls
        original: Callable[..., Any] = getattr(AgentClient, method)

        def paused(client: AgentClient, *args: Any, **kwargs: Any) -> Any:
            self._left -= 1
            if self._left >= 0:
                self.entered.set()
                assert self.go_on.wait(WAIT)
            return original(client, *args, **kwargs)

        monkeypatch.setattr(AgentClient, method, paused)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time of all agents, which stands still until it is moved on."""
    made = Clock()
    monkeypatch.setattr(leases, "moment", made)
    return made


@pytest.fixture
def refusals(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The services that somebody else had locked, each time that an agent said so."""
    found: list[str] = []
    original = leases._leased
    monkeypatch.setattr(leases, "_leased", lambda name, *rest: found.append(name) or original(name, *rest))  # type: ignore[func-returns-value]  # it is for the effect
    return found


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Other controllers."""
    with ThreadPoolExecutor(4) as made:
        yield made


def held(fleet: Fleet) -> list[tuple[wire.Lease, ...]]:
    """The leases on each machine."""
    found = []
    for droplet in droplets(fleet):
        with reach(fleet.environment(), droplet) as agent:
            found.append(agent.leases().leases)
    return found


def droplets(fleet: Fleet) -> list[Droplet]:
    """In the order of their names."""
    return sorted(fleet.droplets.all.values(), key=lambda one: one.name)


def name_of(fleet: Fleet) -> str:
    """The name of the service's containers."""
    return next(iter(fleet.machines[0].engine.instances())).name


def changed(machine: Machine) -> list[str]:
    """What was done to containers and routes so far."""
    return [call for call in machine.engine.crashes.calls if call in CHANGING] + [str(machine.router.table)]


def failed(future: Future[None]) -> DeployerError:
    with pytest.raises(DeployerError) as caught:
        future.result(WAIT)
    return caught.value


@pytest.mark.parametrize(("content", "more"), [("two", 0), ("three", 1)], ids=["the same", "another"])
def test_of_two_deploys_at_once_one_waits_and_then_comes_after_or_finds_nothing_to_do(
    fleet: Fleet,
    pool: ThreadPoolExecutor,
    refusals: list[str],
    monkeypatch: pytest.MonkeyPatch,
    content: str,
    more: int,
) -> None:
    deploy(fleet.service())
    first = [machine.releases["current"] for machine in fleet.machines]
    fleet.write("two")
    pause = Pause(monkeypatch, "promote", 2)
    one = pool.submit(deploy, fleet.service())
    assert pause.entered.wait(WAIT)
    fleet.write(content)
    other = pool.submit(deploy, fleet.service())
    until(lambda: bool(refusals), "the second deploy is told to wait", WAIT)
    assert [machine.releases["current"] for machine in fleet.machines] == first
    assert [machine.engine.crashes.calls.count("engine.create") for machine in fleet.machines] == [2, 2]
    pause.go_on.set()
    one.result(WAIT)
    other.result(WAIT)
    assert [machine.engine.crashes.calls.count("engine.create") for machine in fleet.machines] == [2 + more] * 2
    left, right = (machine.releases for machine in fleet.machines)
    assert left == right
    assert set(left) == {"current", "previous"}
    assert (left["previous"] == first[0]) == (more == 0)
    assert fleet.serving == {left["current"]}
    assert held(fleet) == [(), ()]


@pytest.mark.parametrize("second", [deploy, undeploy, rollback], ids=["deploy", "undeploy", "rollback"])
def test_a_run_that_is_not_to_wait_fails_at_once_and_says_who_holds_the_lock_since_when(
    fleet: Fleet, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch, second: Callable[..., None]
) -> None:
    for content in ("one", "two"):
        fleet.write(content)
        deploy(fleet.service())
    fleet.write("three")
    pause = Pause(monkeypatch, "promote", 2)
    one = pool.submit(deploy, fleet.service())
    assert pause.entered.wait(WAIT)
    before, records = [changed(machine) for machine in fleet.machines], dict(fleet.dns.all)
    with pytest.raises(Leased, match=r"is locked: deploy hello to demo-prod \(.*\) on .* holds it since") as caught:
        second(fleet.service(), when_locked="fail")
    assert caught.value.holder.startswith("deploy hello to demo-prod (")
    assert [changed(machine) for machine in fleet.machines] == before
    assert fleet.dns.all == records
    pause.go_on.set()
    one.result(WAIT)


def test_a_paused_run_blocks_no_longer_than_its_lease_and_is_refused_everywhere_when_it_wakes_up(
    fleet: Fleet, pool: ThreadPoolExecutor, clock: Clock, refusals: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(fleet.service())
    fleet.write("two")
    pause = Pause(monkeypatch, "promote", 2)
    late = pool.submit(deploy, fleet.service())
    assert pause.entered.wait(WAIT)
    fleet.write("three")
    other = pool.submit(deploy, fleet.service())
    clock.wait(LEASE - 1)
    until(lambda: len(refusals) > 2, "the second deploy waits for as long as the lease lasts", WAIT)
    clock.wait(1)
    other.result(WAIT)
    before, records = [changed(machine) for machine in fleet.machines], dict(fleet.dns.all)
    serving = fleet.serving
    pause.go_on.set()
    error = failed(late)
    assert "another run may have taken over" in str(error)
    assert "The lock was lost meanwhile, so that nothing was taken back" in str(error)
    assert f"❌ failed, and {OVERTAKEN}" in latest("deploy-demo-prod-hello")
    assert [changed(machine) for machine in fleet.machines] == before
    assert fleet.dns.all == records
    assert fleet.serving == serving == {fleet.machines[0].releases["current"]}
    assert held(fleet) == [(), ()]


def test_a_run_that_was_killed_blocks_no_longer_than_its_lease(
    fleet: Fleet, pool: ThreadPoolExecutor, clock: Clock, refusals: list[str]
) -> None:
    deploy(fleet.service(replicas=1))
    with reach(fleet.environment(), droplets(fleet)[0]) as agent:
        agent.take_lease(name_of(fleet), wire.LeaseRequest(holder="deploy of somebody else", seconds=10))
    fleet.write("two")
    waiting = pool.submit(deploy, fleet.service(replicas=1))
    until(lambda: len(refusals) > 1, "the deploy waits", WAIT)
    clock.wait(10)
    waiting.result(WAIT)
    assert set(fleet.machines[0].releases) == {"current", "previous"}


def test_the_patience_of_a_run_ends_and_its_error_names_the_holder(
    fleet: Fleet, clock: Clock, refusals: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(fleet.service(replicas=1))
    with reach(fleet.environment(), droplets(fleet)[0]) as agent:
        agent.take_lease(name_of(fleet), wire.LeaseRequest(holder="deploy of somebody else"))
    monkeypatch.setitem(locks.PATIENCE, "wait", timedelta(milliseconds=200))
    with pytest.raises(Leased, match="deploy of somebody else holds it since 2026-11-24 12:00:00 UTC, for 60 s more"):
        deploy(fleet.service(replicas=1))
    assert len(refusals) > 1


def test_a_run_that_fails_frees_what_it_held(fleet: Fleet) -> None:
    deploy(fleet.service())
    fleet.write("two")
    fleet.dns.faults.fail("dns.read_records", *[PermanentError("the zone is locked")] * 9)
    with pytest.raises(DeployerError, match="the zone is locked"):
        deploy(fleet.service())
    assert held(fleet) == [(), ()]


def test_a_lock_is_renewed_until_its_end_and_the_same_run_that_asks_again_has_it_already(
    fleet: Fleet, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(fleet.service(replicas=1))
    monkeypatch.setattr(locks, "RENEWALS", LEASE / 0.02)
    name, where, environment = name_of(fleet), droplets(fleet), fleet.environment()

    @flow(name="a long run")
    def long_run() -> None:
        with locks.hold(name, where, environment, timedelta(0)) as lock:
            for _ in range(3):
                clock.wait(LEASE - 1)
                until(lambda: held(fleet)[0][0].seconds_left == LEASE, "it is renewed", WAIT)
            assert held(fleet)[0][0].fencing == lock.number(where[0])
            assert lock.holds()
            assert locks.take(where[0], name, locks.holder(), environment) == lock.number(where[0])
            smaller = lock.leave(where)
            with pytest.raises(PermanentError, match="where this run holds no lock"):
                smaller.number(where[0])
            assert held(fleet) == [()]

    long_run()


def test_a_lock_that_is_lost_is_told_in_the_log(
    fleet: Fleet, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    deploy(fleet.service(replicas=1))
    monkeypatch.setattr(locks, "RENEWALS", LEASE / 0.02)
    name, where, environment = name_of(fleet), droplets(fleet), fleet.environment()
    caplog.set_level(logging.ERROR)

    @flow(name="a sleepy run")
    def sleepy() -> None:
        with locks.hold(name, where, environment, timedelta(0)) as lock:
            clock.wait(LEASE)
            until(lambda: f"The lock of {name} is not renewed on {where[0].name}" in caplog.text, "it is told", WAIT)
            assert not lock.holds()

    sleepy()
    assert "this run's lock is over" in caplog.text.lower()


def test_a_droplet_that_falls_silent_or_restarts_does_not_end_a_lock_but_another_run_on_it_does(
    fleet: Fleet, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    deploy(fleet.service(replicas=2))
    name, where, environment = name_of(fleet), droplets(fleet), fleet.environment()
    silent, other = fleet.machines[1], where[0]

    @flow(name="a run with a silent droplet")
    def run() -> None:
        with locks.hold(name, where, environment, timedelta(0)) as lock:
            silent.silence()
            lock.confirm()
            with reach(environment, other, fencing=lock.number(other)) as agent:
                agent.free_lease(name)
            with pytest.raises(HostsFailed, match="failed on 2 of 2 droplets"):
                lock.confirm()
            with reach(environment, other) as agent:
                agent.take_lease(name, wire.LeaseRequest(holder="deploy of somebody else"))
            with pytest.raises(HostsFailed, match="deploy of somebody else holds it since"):
                lock.confirm()
            assert not lock.holds()

    run()
    assert caplog.text.count("A lock ends by itself within 60 s, for it was not freed") == 2


def test_two_runs_that_began_where_nothing_was_to_be_locked_do_not_both_go_on(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=2))
    name, (one, two), environment = name_of(fleet), droplets(fleet), fleet.environment()

    @flow(name="a first deploy")
    def first() -> None:
        with locks.hold(name, [], environment, timedelta(0)) as lock:
            with reach(environment, two) as agent:
                agent.take_lease(name, wire.LeaseRequest(holder="the other first deploy"))
            with pytest.raises(Leased, match=f"{two.name}: {name} is locked: the other first deploy holds it"):
                encounters.extend(lock, [one], environment.spec(), environment)

    first()


def test_a_first_deploy_during_which_another_one_came_and_went_changes_nothing(
    fleet: Fleet, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    pause = Pause(monkeypatch, "build_upload", 1)
    late = pool.submit(deploy, fleet.service(replicas=1))
    assert pause.entered.wait(WAIT)
    fleet.write("two")
    deploy(fleet.service(replicas=2))
    before, records, serving = [changed(machine) for machine in fleet.machines], dict(fleet.dns.all), fleet.serving
    pause.go_on.set()
    assert "since this one began" in str(failed(late))
    assert [changed(machine) for machine in fleet.machines] == before
    assert fleet.dns.all == records
    assert fleet.serving == serving
    assert len(serving) == 1
    assert held(fleet) == [(), ()]
