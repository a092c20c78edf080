"""Another version of the agent, as the agent itself sees it: received whole, never beside a lease, confirmed once."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import agent
from agent import wire
from agent.client import AgentClient, AgentProblem
from tests.contract.agent.serving import Droplet, droplet
from tests.unit.agent.builders import NAME

ARCHIVE = b"a tar archive" * 100
OLD, NEW = (f"sha256:{digit * 64}" for digit in "01")
HOLDER = "upgrade-agents (1) on a machine"


def order(**changes: Any) -> wire.UpgradeOrder:
    """What the controller announces."""
    bundle = f"sha256:{hashlib.sha256(ARCHIVE).hexdigest()}"
    given = {"version": "2.0", "wheel": NEW, "bundle": bundle, "whole": True, "holder": HOLDER}
    return wire.UpgradeOrder.model_validate({**given, **changes})


def guard(lab: Droplet, **changes: str) -> None:
    """Leaves what the guard would have left."""
    path = lab.settings.state / "upgrade" / "state.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Droplet]:
    (tmp_path / "agent.json").write_text(json.dumps({"wheel": OLD, "dependencies": OLD}))
    with droplet(tmp_path, home=tmp_path, upgrade_command=("true",)) as found:
        yield found


@pytest.fixture
def client(lab: Droplet) -> Iterator[AgentClient]:
    with lab.keyed() as http:
        yield AgentClient(http)


def test_an_agent_says_what_it_was_installed_from(client: AgentClient) -> None:
    found = client.upgrades.read()
    assert found.installed == wire.Installed(version=agent.__version__, wheel=OLD, dependencies=OLD)
    assert found.phase == "none"


def test_an_order_is_on_the_disk_with_its_archive_before_the_guard_begins(lab: Droplet, client: AgentClient) -> None:
    assert client.upgrades.order(order(), ARCHIVE).phase == "ordered"
    assert (lab.settings.state / "upgrade" / "bundle.tar").read_bytes() == ARCHIVE
    found = client.upgrades.read()
    assert (found.version, found.wheel, found.holder) == ("2.0", NEW, HOLDER)


def test_another_archive_than_the_one_announced_is_refused(client: AgentClient) -> None:
    with pytest.raises(AgentProblem, match="not the one that was announced"):
        client.upgrades.order(order(), b"another")
    assert client.upgrades.read().phase == "none"


def test_an_archive_that_is_too_large_is_refused_before_it_is_read(lab: Droplet, client: AgentClient) -> None:
    with pytest.raises(AgentProblem, match="larger than"):
        client.upgrades.order(order(), bytes(lab.settings.limits.bundle_bytes + 1))


def test_while_anybody_holds_a_lease_no_upgrade_begins(lab: Droplet, client: AgentClient) -> None:
    with lab.client(holder="deploy (7)"), pytest.raises(AgentProblem) as caught:
        client.upgrades.order(order(), ARCHIVE)
    assert (caught.value.problem.code, caught.value.problem.details["holder"]) == ("leased", "deploy (7)")


def test_while_an_upgrade_is_under_way_nobody_gets_a_lease_and_no_other_begins(client: AgentClient) -> None:
    client.upgrades.order(order(), ARCHIVE)
    with pytest.raises(AgentProblem) as caught:
        client.take_lease(NAME, wire.LeaseRequest(holder="deploy (7)"))
    assert (caught.value.problem.code, caught.value.problem.details["holder"]) == ("leased", HOLDER)
    with pytest.raises(AgentProblem, match=r"is being upgraded to 2\.0"):
        client.upgrades.order(order(), ARCHIVE)


@pytest.mark.parametrize("phase", ["upgraded", "returned", "failed"])
def test_after_an_upgrade_that_is_over_leases_are_given_again(lab: Droplet, client: AgentClient, phase: str) -> None:
    client.upgrades.order(order(), ARCHIVE)
    guard(lab, phase=phase, reason="it crashed")
    assert client.take_lease(NAME, wire.LeaseRequest(holder="deploy (7)")).holder == "deploy (7)"
    assert client.upgrades.read().reason == "it crashed"


def test_an_upgrade_of_which_nothing_was_heard_for_long_is_over(lab: Droplet, client: AgentClient) -> None:
    client.upgrades.order(order(), ARCHIVE)
    long_ago = time.time() - 3600
    os.utime(lab.settings.state / "upgrade" / "state.json", (long_ago, long_ago))
    assert client.upgrades.read().phase == "failed"
    assert client.take_lease(NAME, wire.LeaseRequest(holder="deploy (7)"))


def test_where_systemd_does_not_start_the_guard_the_upgrade_has_failed(tmp_path: Path) -> None:
    with (
        droplet(tmp_path, home=tmp_path, upgrade_command=("false",)) as lab,
        lab.keyed() as http,
        pytest.raises(AgentProblem, match="did not start"),
    ):
        AgentClient(http).upgrades.order(order(), ARCHIVE)


def test_only_the_version_that_runs_can_be_confirmed(lab: Droplet, client: AgentClient) -> None:
    client.upgrades.order(order(wheel=OLD), ARCHIVE)
    with pytest.raises(AgentProblem, match="not the one to be kept"):
        client.upgrades.confirm(NEW)
    client.upgrades.confirm(OLD)
    client.upgrades.confirm(OLD)
    assert (lab.settings.state / "upgrade" / "confirmed").read_text() == OLD


def test_a_state_that_a_newer_version_wrote_hides_nothing_that_runs(lab: Droplet, client: AgentClient) -> None:
    client.upgrades.order(order(), ARCHIVE)
    guard(lab, phase="something new")
    assert client.upgrades.read() == wire.Upgrade(installed=client.upgrades.read().installed)
