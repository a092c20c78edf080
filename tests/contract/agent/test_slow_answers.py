"""A container that answers byte by byte, each in good time: it is too slow as a whole, and holds nobody up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent.server import health, symptoms, watchdog
from agent.server.leases import Leases
from agent.server.ports import Instance, RouterError
from agent.server.router import Router
from agent.server.watchdog import STALE, Watchdog
from tests.fakes.engine import FakeEngine
from tests.fakes.router import FakeRouter
from tests.fakes.trickle import Trickle
from tests.unit.agent.builders import HOST, NAME, spec
from tests.unit.agent.test_watchdog import Clock

SECONDS = 0.3


def behind(server: Trickle, engine: FakeEngine, number: int = 1) -> Instance:
    """A current web container, whose port is the server's."""
    changes = {"health": {"path": "/up", "start_seconds": 1, "timeout_seconds": SECONDS}}
    made = engine.create(NAME, spec(number, engine.add_image(b"app").id, **changes))
    return replace(made, role="current", status="running", address=server.address, port=server.port)


class Crowd(FakeEngine):
    """A Docker that shows these containers."""

    shown: tuple[Instance, ...] = ()

    def instances(self, name: str | None = None) -> tuple[Instance, ...]:
        return self.shown or super().instances(name)


def test_a_probe_is_over_when_its_time_is_whatever_the_container_sends() -> None:
    with Trickle() as server, FakeEngine() as engine:
        answered, seen = health.probe(behind(server, engine))
    assert (answered, seen) == (False, f"127.0.0.1:{server.port} does not answer within 0.3 s: timed out")


def test_what_there_is_to_know_of_it_is_that_it_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(symptoms, "ASK_SECONDS", SECONDS)
    with Trickle() as server, FakeEngine() as engine:
        found = symptoms.gather(engine, FakeRouter(), behind(server, engine))
    asks = [one for one in found.asks if one.vantage == "container"]
    assert [(one.status, one.error) for one in asks] == [(None, "timeout")] * 2


def test_nginx_itself_is_not_waited_for_byte_by_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.server.router.VISIT_SECONDS", SECONDS)
    with Trickle() as server:
        router = Router(tmp_path / "admin.sock", tmp_path / "routes.json", server.port)
        with pytest.raises(RouterError, match=rf"^it does not answer at port {server.port}: timed out$"):
            router.status(HOST, "/")


def test_one_that_says_no_http_is_told_apart_from_one_that_is_slow() -> None:
    with Trickle((b"SSH-2.0-x\r\n", b"")) as server, FakeEngine() as engine:
        answered, seen = health.probe(behind(server, engine))
    assert (answered, seen) == (False, f"127.0.0.1:{server.port} does not answer within 0.3 s: SSH-2.0-x\r\n")


def test_many_slow_containers_make_a_long_round_and_no_hung_watchdog(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "_PROBES", 1)
    clock, alive = Clock(), []

    def asked() -> None:
        """A minute later; and would the agent be ended now?"""
        clock.go(STALE / 3)
        alive.append(dog.alive())

    with Trickle((b"HTTP/1.1 503 -\r\n\r\n", b""), asked) as server, Crowd() as engine:
        assert isinstance(engine, Crowd)
        dog = Watchdog(tmp_path / "watchdog.json", engine, Leases(tmp_path / "leases.json", clock), clock=clock)
        one = behind(server, engine)
        engine.shown = tuple(replace(one, id=f"{one.id}{number}") for number in range(6))
        dog.round()
    assert alive == [True] * 6
