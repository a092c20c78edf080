"""A fleet of fakes that is looked after: a round each minute, and a run for each decision that acts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from blocks.environment import Environment
from blocks.service import Service
from fleet.errors import DeployerError
from fleet.notices import Change
from fleet.remediation import moments
from fleet.remediation.folders import Folder
from fleet.remediation.moments import Moment
from fleet.remediation.observations import Said
from fleet.remediation.records import DecisionRecord
from fleet.remediation.state import Pause
from fleet.state import Droplet, DropletRequest, DropletStatus
from flows.remediate import remediate
from tasks.agents import reach
from tasks.healing import considering
from tasks.healing.selftest import Heard
from tasks.health.findings import AgentAnswer, EdgeAnswer, Finding
from tests.flows.fleet_of_fakes import Boot, Fleet
from tests.flows.machines import Machine
from tests.histories.lane import Lane, open_lane

MINUTE = 60.0


@dataclass
class Ward:
    """The fleet, and what remediation knows of it."""

    lane: Lane
    fleet: Fleet
    root: Path
    patch: pytest.MonkeyPatch
    folder: Folder = field(default_factory=lambda: Folder(Path()))
    services: list[Service] = field(default_factory=list)
    environment: Environment = field(default_factory=Environment.model_construct)
    asked: list[str] = field(default_factory=list)
    """The decisions that runs were asked for, in order; one that is pending is asked for in each round."""
    told: list[Change] = field(default_factory=list)
    """What people were told, in order."""
    edge: dict[str, Said] = field(default_factory=dict)
    """What the edge says of a name."""
    blind: bool = False
    """Whether the controller's self-test fails."""
    unlisted: bool = False
    """Whether the provider does not say which droplets there are."""

    @property
    def machines(self) -> list[Machine]:
        """Those of droplets that are there, in the order of their names."""
        names = {one.name for one in self.fleet.droplets.all.values()}
        return [one for one in self.fleet.machines if one.name in names]

    def now(self) -> Moment:
        """The controller's clocks."""
        return Moment(self.lane.time.now(), self.lane.time.monotonic(), "boot")

    def droplet(self, machine: Machine) -> Droplet:
        """The droplet of a machine."""
        return next(one for one in self.fleet.droplets.all.values() if one.name == machine.name)

    def power(self, machine: Machine, status: DropletStatus) -> None:
        """Somebody, or something, switches a droplet off or on."""
        droplet = self.droplet(machine)
        self.fleet.droplets.all[droplet.id] = replace(droplet, status=status)
        if status == "off":
            machine.silence()
        else:
            machine.wake()

    def look(self, rounds: int = 1) -> list[str]:
        """So many rounds, a minute after each other; gives what is to be carried out after the last one."""
        pending: list[str] = []
        for _ in range(rounds):
            self.lane.time.sleep(MINUTE)
            pending = considering.consider(self.findings(), [self.environment])
        return pending

    def until(self, action: str, rounds: int = 15) -> str:
        """Rounds, with everything else that is decided carried out, until an action is decided; gives its name."""
        for _ in range(rounds):
            for decision in self.look():
                if self.record(decision).decision.action == action:
                    return decision
                self.carry_out(decision)
        raise AssertionError(f"{action} was not decided in {rounds} rounds: {self.actions()}")

    def carry_out(self, decision: str) -> str:
        """A run of a decision; gives its outcome in a word."""
        try:
            remediate(decision)
        except DeployerError:
            assert self.record(decision).outcomes, "a run that fails says so in the record"
        return self.outcome(decision)

    def findings(self) -> list[Finding]:
        """What a sweep finds."""
        title = self.environment.title()
        if self.unlisted:
            return [Finding(title, "", "", "", "unknown", "nobody could say which droplets there are")]
        found = self.environment.digitalocean.client().droplets.read_tagged("deployer:demo:prod")
        return [self._found(title, one, self._ask(one)) for one in found]

    def _found(self, title: str, droplet: Droplet, answer: AgentAnswer) -> Finding:
        edge = tuple(EdgeAnswer(name, "", (droplet.name,), said, "it is told so") for name, said in self.edge.items())
        return Finding(title, droplet.name, "", "", "unknown", "", provider=droplet, agent=answer, edge=edge)

    def _ask(self, droplet: Droplet) -> AgentAnswer:
        try:
            with reach(self.environment, droplet) as agent:
                return AgentAnswer(agent.node("health-check"), seconds=0.02)
        except DeployerError as error:
            return AgentAnswer(None, error.message, silent=True)

    def record(self, decision: str) -> DecisionRecord:
        """What is written of a decision."""
        return self.folder.records.find(decision)

    def outcome(self, decision: str) -> str:
        """The last word on it; empty: there is none yet."""
        found = self.record(decision).outcomes
        return found[-1].outcome.word if found else ""

    def records(self) -> list[DecisionRecord]:
        """All that was written down, in order."""
        return [one for day in self.folder.records.days() for one in self.folder.records.read(day).records]

    def actions(self) -> list[str]:
        """What was decided so far, in order."""
        return [one.decision.action for one in self.records() if one.decision.acts]

    def alerts(self) -> list[str]:
        """What was told so far, in order."""
        return [alert.kind for one in self.records() for alert in one.decision.alerts]

    def take_over(self, controller: str) -> None:
        """From now on it is the controller of this name that looks; the first one is called `state`."""
        state = self.root / controller
        self.patch.setenv("DEPLOYER_STATE", str(state))
        self.folder = Folder(state / "healing")

    def pause(self, *pauses: Pause) -> None:
        """A person pauses these, and nothing else."""
        with self.folder.locked():
            self.folder.write_pauses(pauses)


@contextmanager
def open_ward(folder: Path, **settings: Any) -> Iterator[Ward]:
    """A ward for as long as the block lasts; nothing in it may need Prefect itself."""
    with open_lane() as lane, lane.open(folder) as fleet, pytest.MonkeyPatch.context() as patch:
        from tests.flows import artifacts
        from tests.flows.conftest import OLD

        fleet.droplets.clock = lambda: lane.time.now() - OLD
        patch.setattr(artifacts, "published", lane.runs.artifacts)
        patch.setattr(fleet.droplets, "_boot", grown(fleet.droplets._boot))
        patch.setenv("DEPLOYER_PUBLIC_ADDRESSES", '["https://one.example", "https://two.example"]')
        made = Ward(lane, fleet, folder, patch)
        made.take_over("state")
        made.environment = fleet.environment(**{"replaceable": True, "proof_seconds": 10, **settings})
        patch.setattr(moments, "read_moment", made.now)
        patch.setattr("tasks.healing.orders.list_environments", lambda: [made.environment])
        patch.setattr("tasks.rolls.list_services", lambda _: made.services)
        patch.setattr("tasks.healing.selftest.ask_prefect", lambda: None)
        patch.setattr("tasks.healing.selftest.ask_address", lambda _: _hear(made))
        patch.setattr("tasks.healing.starting.ensure", made.asked.append)
        patch.setattr("tasks.notices.tell", lambda _, changes: made.told.extend(changes))
        yield made


def grown(boot: Boot) -> Boot:
    """Machines whose containers have run for an hour when they start: no failure of theirs is one of the start."""

    def booted(request: DropletRequest, address: str, folder: Path) -> Machine:
        made = boot(request, address, folder)
        made.engine.head_start = timedelta(hours=1)
        return made

    return booted


def _hear(ward: Ward) -> Heard:
    if ward.blind:
        raise OSError("no route to host")
    return Heard(0.1)
