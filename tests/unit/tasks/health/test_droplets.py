"""What the sweep makes of an agent's answer, and of none."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

import agent
from agent import wire
from agent.client import AgentProblem, AgentRefused, AgentUnreachable
from blocks.digitalocean import DigitalOceanCredentials
from blocks.environment import Environment
from tasks.health import droplets
from tasks.health.findings import AgentAnswer, Finding
from tests.unit.tasks.health.scenes import (
    DROPLET,
    HOST,
    MOMENT,
    NAME,
    NOW,
    RELEASE,
    WHERE,
    container,
    droplet,
    edge,
    node,
)


def found(seen: wire.Node | None = None, reason: str = "", silent: bool = False) -> list[Finding]:
    """The findings of one droplet, whose name leads to it."""
    answer = AgentAnswer(seen, reason, 0.02, silent)
    return droplets.read(WHERE, droplet(), answer, {HOST: edge()}, MOMENT)


def test_a_droplet_and_each_of_its_containers_are_a_finding_with_all_that_was_seen() -> None:
    whole, service = found(node())
    assert (whole.droplet, whole.container, whole.verdict, whole.at) == (DROPLET, "", "healthy", MOMENT)
    assert whole.agent is not None
    assert whole.agent.node == node()
    assert whole.agent.seconds == 0.02
    assert whole.provider == droplet()
    assert whole.edge == service.edge == (edge(),)
    assert [one.name for one in whole.there or ()] == [NAME]
    assert (service.container, service.release, service.restarts) == (NAME, RELEASE, 1)
    assert service.since == container().started_at


def test_silence_is_unknown_with_its_reason_its_latency_and_the_names_that_lead_there() -> None:
    (whole,) = found(None, "connection refused", silent=True)
    assert (whole.verdict, whole.reason) == ("unknown", "the agent did not answer: connection refused")
    assert whole.there is None
    assert whole.agent == AgentAnswer(None, "connection refused", 0.02, silent=True)
    assert whole.edge == (edge(),)


def test_the_names_are_those_of_the_current_container_alone() -> None:
    _, previous = found(node(containers=(container(role="previous"),)))
    assert previous.edge == ()
    assert previous.reason == "previous: it answers"


def test_a_kept_release_that_is_as_it_should_be_is_no_finding() -> None:
    bad = wire.Verdict(verdict="unhealthy", reason="its image is gone", checked_at=NOW)
    kept = container(role="kept"), container(role="kept", verdict=bad)
    assert [one.reason for one in found(node(containers=kept))[1:]] == ["kept: its image is gone"]


def test_an_agent_of_this_version_is_no_news() -> None:
    assert droplets.judge(node()) == ("healthy", "50 % of the disk free, load 0.0, agent 64 MiB")


@pytest.mark.parametrize("apart", [-1, 0, 1])
def test_an_agent_of_another_version_that_works_with_this_controller_is_healthy_and_named(apart: int) -> None:
    verdict, reason = droplets.judge(node(version="0.0.9", api=wire.API_VERSION + apart))
    assert verdict == "healthy"
    assert reason.endswith(f"agent 0.0.9 (upgrade-agents makes it {agent.__version__})")


def test_an_agent_two_versions_of_the_protocol_behind_is_degraded_and_says_what_to_do() -> None:
    verdict, reason = droplets.judge(node(version="0.0.1", api=wire.API_VERSION - 2))
    assert verdict == "degraded"
    assert "Run upgrade-agents for the droplet's environment." in reason


def test_an_agent_two_versions_ahead_says_that_the_controller_is_the_older_one() -> None:
    assert "This controller is the older one" in droplets.judge(node(version="9.0", api=wire.API_VERSION + 2))[1]


def verdict(word: wire.VerdictWord, reason: str) -> wire.Verdict:
    return wire.Verdict(verdict=word, reason=reason, checked_at=NOW)


def test_what_the_droplet_lacks_is_told_worst_first_before_the_facts() -> None:
    vitals = {
        "clock": verdict("degraded", "the clock is 6 s ahead of that of whoever asks"),
        "disk": verdict("unhealthy", "the disk for containers is full: 3 MiB are free"),
        "memory": verdict("healthy", "50 % of the memory can still be had"),
    }
    word, reason = droplets.judge(node(vitals=vitals))
    assert word == "unhealthy"
    assert reason.startswith(
        "the disk for containers is full: 3 MiB are free; the clock is 6 s ahead of that of whoever asks; 50 %"
    )


def test_what_the_droplet_does_not_know_of_itself_is_no_trouble() -> None:
    vitals = {"certificate": verdict("unknown", "the certificate could not be read: no such file")}
    assert droplets.judge(node(vitals=vitals)) == droplets.judge(node())


class Slow:
    """The client of a sweep, of a droplet that answers unless its name says otherwise."""

    def __init__(self, _token: str, name: str, _address: str) -> None:
        self._name = name

    async def __aenter__(self) -> Slow:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def node(self, observer: str) -> wire.Node:
        """Its answer, if there is one."""
        if self._name == "slow":
            await asyncio.Event().wait()
        if error := ERRORS.get(self._name):
            raise error
        return node(droplet=self._name)


ERRORS: dict[str, Exception] = {
    "away": AgentUnreachable("connection refused"),
    "stranger": AgentRefused("it shows another certificate"),
    "odd": AgentProblem(wire.Problem(code="strange", message="It is no node.", hint="")),
    "ours": KeyError("vitals"),
    "the disk's": OSError(24, "Too many open files"),
}


def asked(monkeypatch: pytest.MonkeyPatch, *names: str) -> list[AgentAnswer]:
    """What a sweep makes of droplets of these names."""
    monkeypatch.setattr(droplets, "AsyncAgentClient", Slow)
    monkeypatch.setattr(droplets, "DROPLET_SECONDS", 0.05)
    digitalocean = DigitalOceanCredentials.model_validate({"token": "dop_v1_x"})
    environment = Environment.model_construct(digitalocean=digitalocean)
    return asyncio.run(droplets.ask_all(environment, [droplet(name) for name in names]))


@pytest.mark.parametrize(
    ("name", "silent", "reason"),
    [
        ("away", True, "connection refused"),
        ("slow", True, "too slow"),
        ("stranger", False, "it shows another certificate"),
        ("odd", False, "It is no node."),
        ("ours", False, "it could not be asked: KeyError: 'vitals'"),
        ("the disk's", False, "it could not be asked: OSError: [Errno 24] Too many open files"),
    ],
)
def test_only_an_agent_that_gives_no_answer_is_silent_and_our_own_bug_is_no_witness(
    monkeypatch: pytest.MonkeyPatch, name: str, silent: bool, reason: str
) -> None:
    (answer,) = asked(monkeypatch, name)
    assert (answer.node, answer.silent, answer.reason) == (None, silent, reason)


def test_a_droplet_without_an_address_is_not_silent() -> None:
    environment = Environment.model_construct(digitalocean=DigitalOceanCredentials.model_validate({"token": "x"}))
    (answer,) = asyncio.run(droplets.ask_all(environment, [replace(droplet("new"), public_address=None)]))
    assert (answer.node, answer.silent, answer.reason) == (None, False, "it has no public address yet")


def test_a_droplet_that_is_too_slow_is_unknown_and_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    slow, quick = asked(monkeypatch, "slow", "quick")
    assert quick.node is not None
    (whole,) = found(None, slow.reason)
    assert (whole.verdict, whole.reason) == ("unknown", "the agent did not answer: too slow")
