"""A run that is killed at any step leaves a world from which the next run of the same flow converges."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.kills import kill_at
from tests.e2e.lab import DOMAIN, Lab, reference
from tests.e2e.test_deploy import change

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

STEPS = ("observe", "plan hello", "firewall", "image of", "ship", "prepare", "promote", "A record", "verify", "retire")


def containers(lab: Lab, droplet: str) -> dict[str, str]:
    """The service's containers on a droplet: their releases by role."""
    form = '{{.Names}} {{.Label "deployer.release"}}'
    found = lab.inside(droplet, "docker", "ps", "--all", f"--format={form}")
    named = [line.split() for line in found.splitlines()]
    return {name.rpartition(".")[2] if "." in name else "current": release for name, release in named}


@pytest.mark.parametrize("step", STEPS)
def test_a_deploy_that_is_killed_at_a_step_is_finished_by_the_next(lab: Lab, context: Path, step: str) -> None:
    hello = {"service": reference("service", "hello")}
    droplets, before = lab.droplets(), lab.ask()["release"]
    change(context, f"killed at {step}")
    killed = lab.start("deploy", **hello)
    assert kill_at(killed, step)
    assert lab.ask()["release"] >= before, "somebody always serves"
    again = lab.run("deploy", **hello)
    assert again.completed, again.log
    assert lab.droplets() == droplets
    found = [containers(lab, name) for name in droplets]
    assert found[0] == found[1]
    assert set(found[0]) <= {"current", "previous"}
    assert found[0]["current"] == lab.ask()["release"] > before
    records = lab.dns().read_records(name=DOMAIN)
    assert sorted(one.content for one in records) == sorted(str(lab.droplet(name).public_address) for name in droplets)
