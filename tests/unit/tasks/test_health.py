"""What the health table says of an agent's version."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

import agent
from agent import wire
from tasks.health import Finding, _droplet

NOW = datetime(2026, 11, 24, tzinfo=UTC)
GOOD = wire.Verdict(verdict="healthy", reason="it answers", checked_at=NOW)
DISK = wire.Disk(total=100, free=50)


def found(version: str = agent.__version__, api: int = wire.API_VERSION) -> Finding:
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
