"""One run for each decision, however often it is asked for, and another where one ended without a word."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import pytest
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import ObjectNotFound
from prefect.states import Completed, Crashed, Running, Scheduled

from tasks.healing import starting

DECISION = "20261124t030200-8c5f97c03b"


@dataclass
class Server:
    """Makes a run for each key once, as Prefect does."""

    states: list[State[Any]] = field(default_factory=list)
    """What becomes of the first run, the second one, and so on."""
    made: dict[str, FlowRun] = field(default_factory=dict)
    absent: bool = False

    def run_deployment(self, name: str, *, parameters: Any, idempotency_key: str, **_: Any) -> FlowRun:
        """The run of this key."""
        if self.absent:
            raise ObjectNotFound(Exception("404"))
        assert (name, parameters) == ("remediate/remediate", {"decision": DECISION})
        state = self.states[len(self.made)] if len(self.made) < len(self.states) else Scheduled()
        return self.made.setdefault(idempotency_key, FlowRun.model_construct(state=state))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    made = Server()
    monkeypatch.setattr(starting, "run_deployment", made.run_deployment)
    monkeypatch.setattr(starting, "get_run_logger", lambda: logging.getLogger("heal"))
    return made


@pytest.mark.parametrize("state", [Scheduled(), Running()])
def test_a_run_that_is_under_way_is_the_only_one(server: Server, state: State[Any]) -> None:
    server.states.append(state)
    for _ in range(3):
        starting.ensure(DECISION)
    assert list(server.made) == [f"{DECISION}-1"]


@pytest.mark.parametrize("state", [Crashed(), Completed()], ids=["killed", "its lock was not over yet"])
def test_a_run_that_ended_without_a_word_is_followed_by_another(server: Server, state: State[Any]) -> None:
    server.states.append(state)
    for _ in range(3):
        starting.ensure(DECISION)
    assert list(server.made) == [f"{DECISION}-1", f"{DECISION}-2"]


def test_runs_that_are_always_killed_come_to_an_end(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.states += [Crashed()] * 20
    for _ in range(10):
        starting.ensure(DECISION)
    assert len(server.made) == starting.ATTEMPTS
    assert "no other is started" in caplog.text


def test_without_the_deployment_it_is_said_what_to_do(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.absent = True
    starting.ensure(DECISION)
    assert "python -m deployments apply" in caplog.text
