"""When the worker, or Prefect's server, is stopped, one droplet says that nobody looks any more; and once more when
somebody does again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest

from agent import wire
from blocks.environment import Environment
from blocks.notifications import Notifications
from deployments.processes import Process
from deployments.settings import load
from tasks.agents import reach
from tests.e2e.lab import Lab, reference
from tests.e2e.scenes import change_environment, eventually, ours
from tests.fakes.receiver import Receiver

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.long]

WHERE = reference("environment", "lab-prod")
SILENT_SECONDS = 600.0
"""Five minutes, a turn for each further droplet, and a machine that has other things to do."""
NEW_SECONDS = 180.0
"""Until no droplet is too new for being told."""


@pytest.fixture
def receiver(lab: Lab) -> Iterator[Receiver]:
    """A webhook that the droplets reach, as that of the environment."""
    network = next(iter(lab.machine(ours(lab)[0]).attrs["NetworkSettings"]["Networks"].values()))
    with Receiver(network["Gateway"]) as opened:
        block = Notifications.model_validate({"webhook_url": opened.url()})
        block.save("lab", overwrite=True)
        change_environment(notifications=Notifications.load("lab"))
        yield opened
        change_environment(notifications=None)
        round_of(lab)


def round_of(lab: Lab) -> None:
    """A health round of the environment."""
    run = lab.run("health-check", environment=WHERE)
    assert run.completed, run.log


class Vigils:
    """How each droplet sees it, asked without Prefect."""

    def __init__(self, lab: Lab) -> None:
        self._environment = cast(Environment, Environment.load("lab-prod"))
        self._droplets = [lab.droplet(name) for name in ours(lab)]

    def look(self) -> list[wire.VigilState]:
        """Now."""
        found = []
        for droplet in self._droplets:
            with reach(self._environment, droplet) as agent:
                found.append(agent.vigil())
        return found


@pytest.mark.parametrize("process", ["prefect-rounds", "prefect-server"])
def test_a_controller_that_stops_is_told_by_one_droplet_once_and_its_return_too(
    lab: Lab, receiver: Receiver, process: str
) -> None:
    vigils = Vigils(lab)

    def everybody_knows() -> bool:
        round_of(lab)
        return all(one.channels for one in vigils.look())

    eventually(everybody_knows, "every droplet knows whom to tell", NEW_SECONDS, every=20.0)
    assert Process(process, load().home).stop()
    eventually(lambda: all(one.absent for one in vigils.look()), "the absence is noticed", SILENT_SECONDS, every=10.0)
    eventually(lambda: sum(one.owed for one in vigils.look()) == 0, "all is said", every=5.0)
    assert [one.told for one in vigils.look()].count(True) == 1
    assert said(receiver) == ["silent"]
    lab.command("deployments", "up")
    round_of(lab)
    eventually(lambda: len(receiver.bodies) > 1, "its return is told", every=2.0)
    round_of(lab)
    assert said(receiver) == ["silent", "back"]


def said(receiver: Receiver) -> list[str]:
    """What arrived."""
    return [one["is"] for body in receiver.bodies for one in body["changes"]]
