"""The agent's own document, turned into calls right and wrong: none makes it fail, and each refusal is the envelope."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as chosen
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok
from schemathesis.core.transport import Response
from starlette.types import ASGIApp

from agent import keys, wire
from agent.server.app import create_api, create_context, guarded
from agent.server.context import Context
from tests.fakes.engine import FakeEngine
from tests.fakes.router import Crashes, FakeRouter
from tests.unit.agent.builders import NAME, settings

EXAMPLES = int(os.environ.get("EXAMPLES", "3"))
EXPECTED = {"POST /examine": {502}}
"""What answers as a droplet does on which nothing examines."""
NAMED = ("name", "container_name")


@dataclass(frozen=True)
class Agent:
    """An agent in this process, with a service on its droplet."""

    app: ASGIApp
    context: Context
    engine: FakeEngine

    @property
    def headers(self) -> dict[str, str]:
        """What its caller shows."""
        return {wire.KEY_HEADER: keys.api_key(self.context.settings.secret)}

    def lease(self) -> dict[str, str]:
        """The same, and the lease of its service."""
        taken = self.context.leases.take(NAME, wire.LeaseRequest(holder="the noise"))
        return {**self.headers, wire.FENCING_HEADER: str(taken.fencing)}


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    crashes = Crashes()
    router = FakeRouter(crashes)
    quiet = ("true",)
    found = replace(
        settings(tmp_path), seal_command=quiet, examine_command=quiet, upgrade_command=quiet, drill_command=quiet
    )
    with FakeEngine(crashes) as engine:
        context = create_context(found, engine, router, lambda: None, None)
        yield Agent(guarded(create_api(context), found), context, engine)


Called = Callable[["Agent", Case[Any]], dict[str, str]]


def anybody(agent: Agent, case: Case[Any]) -> dict[str, str]:
    """A call as the document has it."""
    return agent.headers


def the_holder(agent: Agent, case: Case[Any]) -> dict[str, str]:
    """A call about the service that is there, by whoever holds its lease."""
    for name in NAMED:
        if name in (case.path_parameters or {}):
            case.path_parameters[name] = NAME
    return agent.lease()


@pytest.mark.parametrize("caller", [anybody, the_holder])
def test_no_call_whatever_makes_the_agent_fail(agent: Agent, caller: Called, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "agent")
    document = schemathesis.openapi.from_asgi("/openapi.json", agent.app, headers=agent.headers)
    failed: list[str] = []
    for found in document.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        for mode in GenerationMode:

            @chosen(
                max_examples=EXAMPLES, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
            )
            @given(operation.as_strategy(generation_mode=mode))
            def ask(case: Case[Any]) -> None:
                reply = case.call(headers=caller(agent, case))
                failed.extend(wrong(f"{case.method} {case.path}", reply))

            with suppress(Unsatisfiable):  # there is no wrong way to ask for it
                ask()
    assert failed == []


def wrong(call: str, reply: Response) -> list[str]:
    """What is wrong with an answer."""
    said = f"{call}: {reply.status_code} {reply.text[:200]}"
    if reply.status_code >= 500:
        return [] if reply.status_code in EXPECTED.get(call, ()) else [said]
    if reply.status_code < 400:
        return []
    problem = wire.Problem.model_validate_json(reply.content)
    return [] if problem.message and problem.hint else [said]
