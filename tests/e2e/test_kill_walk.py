"""A run whose process is killed at any step leaves a world from which the next run of the same flow converges."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.e2e.kills import kill_at_number, kill_at_step
from tests.e2e.lab import Lab, reference
from tests.e2e.scenes import addresses, change_environment, containers, deploy, ours
from tests.e2e.test_deploy import change

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

HELLO = {"service": reference("service", "hello")}
MOST_STEPS = 30
LEAST_KILLS = {"deploy": 8, "rollback": 4, "undeploy": 4}
"""Steps of each flow, at least: a walk that has killed it at fewer has seen less than there is."""


@pytest.fixture(scope="module", autouse=True)
def short_leases(lab: Lab) -> Iterator[None]:
    """A killed run keeps the next one from its service for ten seconds only."""
    change_environment(lease_seconds=10)
    yield
    change_environment(lease_seconds=60)
    deploy(lab)


def prepare(lab: Lab, context: Path, flow: str, text: str) -> None:
    """A world in which the flow has something to do: two releases for a rollback, another page for a deploy."""
    deploy(lab)
    change(context, text)
    if flow == "rollback":
        deploy(lab)


def repair(lab: Lab, flow: str) -> None:
    """The next run of the flow; a rollback that was over already goes no further."""
    again = lab.run(flow, **HELLO)
    assert again.completed or (flow == "rollback" and "which serves, is" in again.log), again.log


def live(found: dict[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Without the releases that are kept for a rollback: a droplet that came later has fewer."""
    return {role: one for role, one in found.items() if not role.startswith("kept-")}


def check(lab: Lab, flow: str) -> None:
    """The same everywhere: one release that serves, and its records; or nothing at all."""
    droplets = ours(lab)
    found = [live(containers(lab, name)) for name in droplets]
    if flow == "undeploy":
        assert found == [{}, {}]
        assert addresses(lab) == set()
        return
    assert found[0] == found[1]
    assert found[0]["current"] == ("running", lab.ask()["release"])
    assert "candidate" not in found[0]
    assert addresses(lab) == {str(lab.droplet(name).public_address) for name in droplets}
    assert lab.droplets() == droplets


@pytest.mark.parametrize(
    ("flow", "step"),
    [
        ("deploy", "promote"),
        pytest.param("rollback", "back to", marks=pytest.mark.long),
        pytest.param("undeploy", "remove ", marks=pytest.mark.long),
    ],
)
def test_a_run_that_is_killed_in_its_midst_is_finished_by_the_next(
    lab: Lab, context: Path, flow: str, step: str
) -> None:
    prepare(lab, context, flow, f"{flow} killed at {step}")
    assert kill_at_step(lab.start(flow, **HELLO), step)
    repair(lab, flow)
    check(lab, flow)


@pytest.mark.long
@pytest.mark.parametrize("flow", ["deploy", "rollback", "undeploy"])
def test_a_run_that_is_killed_at_any_step_is_finished_by_the_next(lab: Lab, context: Path, flow: str) -> None:
    for number in count(1):
        assert number < MOST_STEPS
        prepare(lab, context, flow, f"{flow} killed at its step {number}")
        killed = kill_at_number(lab.start(flow, **HELLO), number)
        if killed:
            repair(lab, flow)
        check(lab, flow)
        print(f"{flow}, step {number}: {'killed, and converged' if killed else 'ended before'}")
        if not killed:
            assert number - 1 >= LEAST_KILLS[flow], f"{flow} was killed at {number - 1} steps only"
            return
