"""Small fleets that are looked at round by round: what is seen is written out, what is decided comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from fleet.remediation import documents
from fleet.remediation.advance import Outcome, Word
from fleet.remediation.decision import Decision
from fleet.remediation.moments import Moment
from fleet.remediation.observations import Calls, Check, Observation, Said, SelfTest, Witness
from fleet.remediation.rounds import Deliberation, Memory, Round, Sighting, conclude, deliberate
from fleet.remediation.state import Case, DropletFacts, Fleet, Lease, Pause, ServiceFacts, State, Target

START = Moment(datetime(2026, 11, 24, tzinfo=UTC), 1000.0, "boot")
HELLO = "9fe5e6_demo_prod_hello"
RELEASE = "20261124t021530-9fe5e6"
OLDER = "20261101t000000-aaaaaa"
PASSED = Check("api", True)
SEES = SelfTest(PASSED, (Check("one.example", True), Check("two.example", True)), PASSED, 0.2)
BLIND = replace(SEES, provider=Check("api", False, "timeout"))

WELL: dict[Witness, Said] = {"agent": "healthy", "edge": "healthy", "provider": "on"}
OFF: dict[Witness, Said] = {"agent": "silent", "edge": "silent", "provider": "off"}
HUNG: dict[Witness, Said] = {"agent": "silent", "edge": "silent", "provider": "on"}
AGENT_DEAD: dict[Witness, Said] = {"agent": "silent", "edge": "healthy", "provider": "on"}
UNSEEN: dict[Witness, Said] = {"agent": "unknown", "edge": "unknown", "provider": "unknown"}


def droplet(number: int = 1) -> Target:
    """A droplet."""
    return Target(number, f"demo-prod-{number:06x}")


def service(number: int = 1, container: str = HELLO) -> Target:
    """A service on a droplet."""
    return Target(number, f"demo-prod-{number:06x}", container)


def observe(said: Mapping[Witness, Said], at: Moment) -> tuple[Observation, ...]:
    """What everybody said at a time."""
    return tuple(Observation(witness, at, word) for witness, word in said.items())


def state(case: Case, **fleet: Any) -> State:
    """A state in which nothing is against anything, but for what is given."""
    return State(case, Fleet(**{"droplets": 10, "self_test": SEES, **fleet}))


@dataclass
class Scene:
    """Ten droplets that serve `hello.example.com`; all is well but for what a round is told."""

    size: int = 10
    facts: DropletFacts = field(default_factory=lambda: DropletFacts((HELLO,), ("hello.example.com",), True, ()))
    running: ServiceFacts = field(default_factory=lambda: ServiceFacts("web", RELEASE))
    memory: Memory = field(default_factory=Memory)
    at: Moment = START
    pauses: tuple[Pause, ...] = ()
    leases: tuple[Lease, ...] = ()
    self_test: SelfTest = SEES
    calls: Calls = field(default_factory=Calls)
    own: dict[int, DropletFacts] = field(default_factory=dict)
    """Facts of single droplets that differ."""
    made: list[Deliberation] = field(default_factory=list)
    last: tuple[Deliberation, ...] = ()

    def look(
        self,
        droplets: Mapping[int, Mapping[Witness, Said]] | None = None,
        services: Mapping[int, Said] | None = None,
        seconds: float = 60.0,
    ) -> dict[Target, Decision]:
        """One round, so many seconds after the one before; gives what is news."""
        self.at = self.at.later(seconds)
        seen = []
        for number in range(1, self.size + 1):
            said = (droplets or {}).get(number, WELL)
            seen.append(Sighting(droplet(number), observe(said, self.at), self.own.get(number, self.facts)))
            word = (services or {}).get(number, "healthy" if said["agent"] == "healthy" else "unknown")
            seen.append(Sighting(service(number), observe({"agent": word}, self.at), service=self.running))
        before = Round(self.at, self.self_test, tuple(seen), self.calls, self.leases, self.pauses)
        self.memory, self.last = deliberate(self.memory, before)
        self.made += self.last
        return {one.decision.target: one.decision for one in self.last}

    def acts(
        self,
        rounds: int,
        droplets: Mapping[int, Mapping[Witness, Said]] | None = None,
        services: Mapping[int, Said] | None = None,
        word: Word = "helped",
    ) -> list[str]:
        """What is done in so many rounds in which the same is seen, each told to have ended so at once."""
        done = []
        for _ in range(rounds):
            self.look(droplets, services)
            for made in self.last:
                if made.decision.acts:
                    done.append(made.decision.action)
                    self.tell(made, word)
        return [*done]

    def alerts(self) -> list[str]:
        """Everything that was told, in order."""
        return [f"{made.decision.target}: {one.kind}" for made in self.made for one in made.decision.alerts]

    def tell(self, made: Deliberation, word: Word, successor: int | None = None) -> None:
        """What became of a decision."""
        outcome = Outcome(made.id, word, successor=successor)
        self.memory = conclude(self.memory, made.decision.target, made.decision, outcome, self.at)

    def restart(self) -> None:
        """The controller ends and begins anew, with what it has written down."""
        self.memory = documents.load(Memory, documents.dump(self.memory))
