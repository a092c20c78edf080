"""A random walk over everything that may happen to a service, on real machines; the invariants hold after each step.

The histories of tests/histories walk thousands of ways over fakes; this one walks few, and means it. `WALK_SEED`
chooses another way.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from fleet.state import Record
from tests.e2e.kills import kill_at_number
from tests.e2e.lab import Lab, Run, reference
from tests.e2e.scenes import addresses, change_environment, change_service, containers, disturb, ours
from tests.e2e.test_deploy import change

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.long]

HELLO = {"service": reference("service", "hello")}
SEED = int(os.environ.get("WALK_SEED", "1"))
STEPS = 96
MOST_STEPS_OF_A_RUN = 9
MOST_DROPLETS = 3
Before = tuple[dict[str, str], set[str]]


@dataclass
class Walk:
    """One way through the life of a service."""

    lab: Lab
    context: Path
    chance: random.Random
    foreign: list[Record]
    replicas: int = 2
    kills: int = 0
    """Runs that were really killed, and had not ended by themselves before."""

    @property
    def steps(self) -> list[Callable[[], None]]:
        """All that may happen."""
        return [
            self.deploy,
            self.roll_back,
            self.scale,
            self.leave_one_droplet,
            self.deploy_what_is_ill,
            self.deploy_with_a_droplet_cut_off,
            self.kill_a_deploy,
            self.kill_a_rollback,
        ]

    def deploy(self) -> None:
        """A new release comes to as many droplets as are wanted."""
        change(self.context, f"walk {self.chance.random()}")
        change_service(replicas=self.replicas)
        self.complete(self.run("deploy"))

    def roll_back(self) -> None:
        """Back to the release before the newest; that there is none is said, and nothing is changed."""
        before = self.look()
        run = self.run("rollback")
        assert run.completed or self.look() == before, run.log

    def scale(self) -> None:
        """More droplets, or fewer."""
        self.replicas = self.chance.randint(1, MOST_DROPLETS)
        change_service(replicas=self.replicas)
        self.complete(self.run("deploy", remove_empty=self.chance.random() < 0.5))

    def leave_one_droplet(self) -> None:
        """Off one droplet; the others serve on."""
        serving, _ = self.look()
        gone = self.chance.choice(sorted(serving))
        run = self.run("undeploy", droplet=gone)
        assert run.completed, run.log
        assert set(self.look()[0]) == set(serving) - {gone}

    def deploy_what_is_ill(self) -> None:
        """A release that is ill on one of its droplets or on all changes nothing."""
        before = self.look()
        change_service(variables={"HELLO_BROKEN": "1"})
        run = self.run("deploy")
        change_service(variables={})
        assert not run.completed
        assert self.look() == before, run.log

    def deploy_with_a_droplet_cut_off(self) -> None:
        """What cannot be reached is not guessed about: nothing is changed."""
        before = self.look()
        cut = self.lab.droplet(self.chance.choice(sorted(before[0])))
        change(self.context, f"walk {self.chance.random()}")
        disturb(self.lab, cut.id, cut=True)
        run = self.run("deploy")
        disturb(self.lab, cut.id, cut=False)
        assert not run.completed
        assert self.look() == before, run.log

    def kill_a_deploy(self) -> None:
        """Its process is gone in its midst; the next deploy converges."""
        change(self.context, f"walk {self.chance.random()}")
        change_service(replicas=self.replicas)
        self.kill("deploy")
        self.complete(self.run("deploy"))

    def kill_a_rollback(self) -> None:
        """Its process is gone in its midst; the next deploy converges as well."""
        self.kill("rollback")
        self.complete(self.run("deploy"))

    def kill(self, flow: str) -> None:
        """A run of a flow, killed at one of its steps unless it has fewer."""
        self.kills += kill_at_number(self.lab.start(flow, **HELLO), self.chance.randint(1, MOST_STEPS_OF_A_RUN))

    def run(self, flow: str, **options: object) -> Run:
        """A run of a flow, to its end."""
        return self.lab.run(flow, **HELLO, **options)

    def complete(self, run: Run) -> None:
        """A deploy that succeeded: as many droplets as are wanted serve."""
        assert run.completed, run.log
        assert len(self.look()[0]) == self.replicas, run.log

    def look(self) -> Before:
        """What serves where, by droplet, and where the records lead."""
        found = {name: containers(self.lab, name) for name in ours(self.lab)}
        return {name: roles["current"][1] for name, roles in found.items() if "current" in roles}, addresses(self.lab)

    def check(self) -> None:
        """One release serves; each record leads to a droplet that serves; what is not ours is as it was."""
        serving, led = self.look()
        assert len(set(serving.values())) <= 1, f"mixed: {serving}"
        assert led == {str(self.lab.droplet(name).public_address) for name in serving}
        assert [one for one in self.lab.dns().read_records() if not one.comment.startswith("deployer ")] == self.foreign
        if serving:
            assert self.lab.droplets() == sorted(serving)
            assert {self.lab.ask()["release"]} == set(serving.values())


def way(walk: Walk, steps: int) -> None:
    """Walks; each kind of step comes once before one comes again, and what has nowhere to serve is deployed first."""
    left: list[Callable[[], None]] = []
    for number in range(1, steps + 1):
        left = left or walk.chance.sample(walk.steps, len(walk.steps))
        step = left.pop() if walk.look()[0] else walk.deploy
        print(f"step {number}: {step.__name__}, {walk.replicas} wanted")
        step()
        walk.check()


@pytest.fixture
def walk(lab: Lab, context: Path) -> Walk:
    """The beginning: the service on its droplets, and killed runs whose lock is soon free."""
    change_environment(lease_seconds=10)
    foreign = [one for one in lab.dns().read_records() if not one.comment.startswith("deployer ")]
    begun = Walk(lab, context, random.Random(SEED), foreign)  # noqa: S311  # a way that can be walked again
    begun.deploy()
    return begun


def test_a_short_walk_keeps_the_invariants(walk: Walk) -> None:
    way(walk, len(walk.steps))
    assert walk.kills >= 1


def test_a_long_walk_keeps_the_invariants(walk: Walk) -> None:
    way(walk, STEPS)
    assert walk.kills >= STEPS // len(walk.steps), "as many as there were deploys to kill"
