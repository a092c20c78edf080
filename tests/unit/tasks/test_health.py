"""What the health table says of a droplet, and of its agent's version."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

import agent
from agent import wire
from tasks.health import Finding, _droplet

NOW = datetime(2026, 11, 24, tzinfo=UTC)
GOOD = wire.Verdict(verdict="healthy", reason="it answers", checked_at=NOW)
DISK = wire.Disk(total=100, free=50)


def verdict(word: wire.VerdictWord, reason: str) -> wire.Verdict:
    return wire.Verdict(verdict=word, reason=reason, checked_at=NOW)


def found(version: str = agent.__version__, api: int = wire.API_VERSION, **vitals: wire.Verdict) -> Finding:
    """The row of a droplet that is well."""
    node = wire.Node(
        droplet="demo-prod-1",
        version=version,
        api=api,
        now=NOW,
        booted_at=NOW,
        docker=GOOD,
        nginx=GOOD,
        disk=DISK,
        memory=DISK,
        load=(0.0, 0.0, 0.0),
        agent_rss=64 << 20,
        vitals=vitals,
        containers=(),
    )
    return _droplet("demo-prod", node)


def test_an_agent_of_this_version_is_no_news() -> None:
    assert found().reason == "50 % of the disk free, load 0.0, agent 64 MiB"


@pytest.mark.parametrize("apart", [-1, 0, 1])
def test_an_agent_of_another_version_that_works_with_this_controller_is_healthy_and_named(apart: int) -> None:
    seen = found("0.0.9", wire.API_VERSION + apart)
    assert seen.verdict == "healthy"
    assert seen.reason.endswith(f"agent 0.0.9 (upgrade-agents makes it {agent.__version__})")


def test_an_agent_two_versions_of_the_protocol_behind_is_degraded_and_says_what_to_do() -> None:
    seen = found("0.0.1", wire.API_VERSION - 2)
    assert seen.verdict == "degraded"
    assert "Run upgrade-agents for the droplet's environment." in seen.reason


def test_an_agent_two_versions_ahead_says_that_the_controller_is_the_older_one() -> None:
    assert "This controller is the older one" in found("9.0", wire.API_VERSION + 2).reason


def test_what_the_droplet_lacks_is_told_worst_first_before_the_facts() -> None:
    seen = found(
        clock=verdict("degraded", "the clock is 6 s ahead of that of whoever asks"),
        disk=verdict("unhealthy", "the disk for containers is full: 3 MiB are free"),
        memory=verdict("healthy", "50 % of the memory can still be had"),
    )
    assert seen.verdict == "unhealthy"
    assert seen.reason.startswith(
        "the disk for containers is full: 3 MiB are free; the clock is 6 s ahead of that of whoever asks; 50 %"
    )


def test_what_the_droplet_does_not_know_of_itself_is_no_trouble() -> None:
    seen = found(certificate=verdict("unknown", "the certificate could not be read: no such file"))
    assert (seen.verdict, seen.reason) == ("healthy", "50 % of the disk free, load 0.0, agent 64 MiB")
