"""Locks through the controller's client and the real agent: no change without the lease that is in force."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from agent import wire
from agent.client import AgentClient, AgentProblem
from agent.server.app import create_app
from tests.contract.agent.serving import Droplet, droplet, serving
from tests.contract.sandbox.cloudflare.serving import until
from tests.unit.agent.builders import LIMITS, NAME, OTHER, release
from tests.unit.agent.test_leases import LEASE, ONE, TWO, Clock

CHANGES: dict[str, Callable[[AgentClient, Droplet], object]] = {
    "prepare": lambda client, lab: client.prepare(NAME, lab.spec(2)),
    "promote": lambda client, _: client.promote(NAME, wire.Promote(release=release(2))),
    "rollback": lambda client, _: client.rollback(NAME, wire.Rollback(release=release(1))),
    "retire": lambda client, _: client.retire(NAME, wire.Retire()),
    "stop": lambda client, _: client.stop(NAME, wire.Stop()),
    "start": lambda client, _: client.start(NAME),
    "restart": lambda client, _: client.restart(NAME),
    "remove": lambda client, _: client.remove(NAME),
    "remove_volume": lambda client, _: client.remove_volume(NAME, "data"),
    "begin_maintenance": lambda client, _: client.begin_maintenance(NAME, wire.Maintenance()),
    "end_maintenance": lambda client, _: client.end_maintenance(NAME),
    "remove_candidate": lambda client, _: client.remove_candidate(NAME),
}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The agent's time stands still until it is moved on."""
    made = Clock()
    monkeypatch.setattr("agent.server.leases.moment", made)
    return made


@pytest.fixture
def lab(clock: Clock, tmp_path: Path) -> Iterator[Droplet]:
    with droplet(tmp_path) as running:
        yield running


@pytest.fixture
def bare(lab: Droplet) -> Iterator[AgentClient]:
    """A client without a lease."""
    with lab.keyed() as http:
        yield AgentClient(http)


def refused(call: Callable[[], object]) -> wire.Problem:
    with pytest.raises(AgentProblem) as caught:
        call()
    return caught.value.problem


@contextmanager
def slow_restart(lab: Droplet) -> Iterator[tuple[Future[wire.Changed], Event]]:
    """A restart that has begun, and that goes on once the event is set."""
    entered, go_on, original = Event(), Event(), lab.engine.restart

    def slow(name: str, seconds: int) -> None:
        entered.set()
        assert go_on.wait(20)
        original(name, seconds)

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as pool, lab.client() as client:
        patch.setattr(lab.engine, "restart", slow)
        change = pool.submit(client.restart, NAME)
        assert entered.wait(20)
        try:
            yield change, go_on
        finally:
            go_on.set()


@pytest.mark.parametrize("verb", CHANGES)
def test_a_change_without_the_lease_or_under_one_that_is_over_touches_nothing(
    lab: Droplet, bare: AgentClient, clock: Clock, verb: str
) -> None:
    lab.deploy(1)
    with lab.client() as late:
        clock.wait(LEASE)
        bare.take_lease(NAME, TWO)
        before = list(lab.engine.crashes.calls)
        fenced = refused(lambda: CHANGES[verb](late, lab))
        missing = refused(lambda: CHANGES[verb](bare, lab))
    assert (fenced.code, missing.code) == ("fenced", "lease_required")
    assert f"{TWO.holder} holds it since" in fenced.message
    assert fenced.details["holder"] == TWO.holder
    assert lab.engine.crashes.calls == before


def test_no_change_of_a_service_forgets_to_ask_for_the_lease(lab: Droplet) -> None:
    with lab.keyed() as http:
        paths: dict[str, dict[str, Any]] = http.get("/openapi.json").json()["paths"]
    changing = {
        (method, path): [one["name"] for one in route.get("parameters", ())]
        for path, methods in paths.items()
        for method, route in methods.items()
        if path.startswith("/containers/") and method != "get"
    }
    assert len(changing) >= len(CHANGES) - 1, "retire is a stop"
    assert [call for call, parameters in changing.items() if wire.FENCING_HEADER not in parameters] == []


def test_reading_needs_no_lease(lab: Droplet, bare: AgentClient) -> None:
    lab.deploy(1)
    assert bare.node().containers
    assert bare.health(NAME).verdict == "healthy"
    assert bare.logs(NAME).lines
    assert [one.service for one in bare.leases().leases] == [NAME]


def test_a_second_holder_waits_its_turn_and_two_services_do_not_wait_for_each_other(
    lab: Droplet, bare: AgentClient
) -> None:
    with lab.client(holder=ONE.holder) as client:
        problem = refused(lambda: bare.take_lease(NAME, TWO))
        assert (problem.code, problem.details["holder"]) == ("leased", ONE.holder)
        assert bare.take_lease(OTHER, TWO).holder == TWO.holder
        assert [one.service for one in client.free_lease(NAME).leases] == [OTHER]
        assert bare.take_lease(NAME, TWO).holder == TWO.holder
        assert refused(lambda: client.free_lease(NAME)).code == "fenced"


def test_whoever_has_a_number_renews_that_lease_or_none(lab: Droplet, bare: AgentClient, clock: Clock) -> None:
    with lab.client(holder=ONE.holder) as client:
        clock.wait(LEASE - 1)
        assert client.take_lease(NAME, ONE).seconds_left == LEASE
        clock.wait(LEASE)
        assert refused(lambda: client.take_lease(NAME, ONE)).code == "fenced"
    assert bare.leases().leases == ()
    assert bare.take_lease(NAME, ONE).holder == ONE.holder


def test_a_restarted_agent_still_knows_who_may_change_what(lab: Droplet, bare: AgentClient, clock: Clock) -> None:
    taken = bare.take_lease(NAME, ONE)
    with serving(create_app(lab.settings, lab.engine, lab.router), lab.settings) as port:
        again = Droplet(lab.engine, lab.router, lab.settings, port, lab.image)
        with again.keyed() as http:
            assert AgentClient(http).leases().leases == (taken,)
            assert refused(lambda: AgentClient(http).take_lease(NAME, TWO)).code == "leased"
            assert AgentClient(http, taken.fencing).prepare(NAME, lab.spec(1)).changed


def test_the_lease_passes_on_only_once_a_change_that_began_under_it_is_over_and_its_holder_renews_meanwhile(
    lab: Droplet, bare: AgentClient, clock: Clock
) -> None:
    lab.deploy(1)
    with slow_restart(lab) as (change, go_on), ThreadPoolExecutor(1) as pool, lab.client() as renewing:
        assert [one.seconds_left for one in renewing.leases().leases] == [LEASE]
        clock.wait(LEASE)
        taking = pool.submit(bare.take_lease, NAME, TWO)
        until(lambda: bare.leases().leases == (), "the lease is over")
        assert not taking.done()
        go_on.set()
        assert change.result(20).changed
        assert taking.result(20).holder == TWO.holder


def test_a_new_holder_is_told_when_a_change_takes_too_long(clock: Clock, tmp_path: Path) -> None:
    with droplet(tmp_path, limits=replace(LIMITS, lock_seconds=0.05)) as lab, lab.keyed() as http:
        lab.deploy(1)
        with slow_restart(lab) as (change, go_on):
            clock.wait(LEASE)
            assert refused(lambda: AgentClient(http).take_lease(NAME, TWO)).code == "busy"
            go_on.set()
            assert change.result(20).changed
