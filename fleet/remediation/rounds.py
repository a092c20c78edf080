"""One round over a fleet: what was seen goes in, and decisions and the new memory come out; pure, like all of it.

Whoever runs a round writes the memory down before anything is carried out. So a budget is spent from the moment of the
decision on, and a controller that is killed in between does less than it might have, never more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from fleet.remediation import limits
from fleet.remediation.actions import Intervention
from fleet.remediation.advance import Outcome, advance
from fleet.remediation.decide import decide
from fleet.remediation.decision import Decision
from fleet.remediation.documents import identify
from fleet.remediation.gates import self_test_failures
from fleet.remediation.moments import Moment
from fleet.remediation.observations import Calls, Observation, SelfTest, alive, answers, newest
from fleet.remediation.state import (
    FLEET,
    Case,
    DropletFacts,
    Fleet,
    Lease,
    Pause,
    Rollback,
    ServiceFacts,
    Standing,
    State,
    Suspension,
    Target,
    is_called,
)


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a round saw of one target. Facts are None where nobody could tell them: the last known ones hold."""

    target: Target
    observations: tuple[Observation, ...]
    droplet: DropletFacts | None = None
    service: ServiceFacts | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """What a round saw: every droplet of the fleet and every service on each, also those of which it saw nothing."""

    at: Moment
    self_test: SelfTest
    sightings: tuple[Sighting, ...]
    provider: Calls = field(default_factory=Calls)
    leases: tuple[Lease, ...] = ()
    pauses: tuple[Pause, ...] = ()


@dataclass(frozen=True, slots=True)
class Memory:
    """What is kept from round to round, also across restarts of the controller."""

    cases: Mapping[str, Case] = field(default_factory=dict)
    """By the target's key."""
    interventions: tuple[Intervention, ...] = ()
    suspension: Suspension | None = None
    rollbacks: tuple[Rollback, ...] = ()


@dataclass(frozen=True, slots=True)
class Deliberation:
    """A decision and what it followed from: what a record is made of."""

    id: str
    state: State
    observations: tuple[Observation, ...]
    at: Moment
    decision: Decision


def deliberate(memory: Memory, seen: Round) -> tuple[Memory, tuple[Deliberation, ...]]:
    """The memory after a round, and whatever was decided that was not decided in the round before.

    Decisions that act are in the memory already, as begun. A round in which the controller's self-test fails decides
    nothing of any target: all that it saw is unknown.
    """
    table = _Table(memory, seen)
    table.decide(Sighting(FLEET, ()))
    if not self_test_failures(seen.self_test):
        for sighting in seen.sightings:
            if not _is_calm(memory.cases.get(sighting.target.key), sighting):
                table.decide(sighting)
        table.forget()
    return table.memory(), tuple(table.made)


def conclude(memory: Memory, target: Target, decision: Decision, outcome: Outcome, now: Moment) -> Memory:
    """The memory after somebody has told what became of a decision."""
    case = memory.cases.get(target.key)
    if case is None:
        return memory
    fleet = Fleet(interventions=memory.interventions, suspension=memory.suspension)
    after = advance(State(case, fleet), decision, outcome, now)
    return replace(memory, cases={**memory.cases, target.key: after.case}, interventions=after.fleet.interventions)


def allow_replacements(memory: Memory, now: Moment) -> Memory:
    """The memory without a suspension, and with those replacements forgiven that led to it; budgets stay spent."""
    forgiven = tuple(
        replace(one, ended=one.ended or now, helped=None) if one.failed(now) else one for one in memory.interventions
    )
    return replace(memory, suspension=None, interventions=forgiven)


def let_go(memory: Memory, name: str) -> Memory:
    """The memory without the holds on a service or on a droplet, and what is on it."""
    meant = {key for key, case in memory.cases.items() if _is_meant(case.target, name)}
    freed = {key: replace(memory.cases[key], hold=None, changes=()) for key in meant}
    return replace(memory, cases={**memory.cases, **freed})


def bury(memory: Memory, droplet: int) -> Memory:
    """The memory without a droplet whose place another one has taken; budgets stay spent."""
    return replace(memory, cases={key: case for key, case in memory.cases.items() if case.target.droplet != droplet})


def _is_meant(target: Target, name: str) -> bool:
    return bool(name) and (name == target.name or is_called(target.container, name))


def _is_calm(case: Case | None, sighting: Sighting) -> bool:
    """Whether a target is as well as it was, so that there is nothing to decide or to remember of it."""
    if case is None or case.up is None or case.is_down or case.last:
        return False
    if case.silent or case.ill or case.down or case.steps or case.hold or case.away or case.told or case.absent:
        return False
    for one in sighting.observations:
        if one.said not in _WELL or (one.said == "degraded" and not sighting.target.container):
            return False
    told = (sighting.droplet or case.droplet, sighting.service or case.service)
    return told == (case.droplet, case.service) and bool(sighting.observations)


_WELL = frozenset({"healthy", "degraded", "on"})


class _Table:
    """A round in the making: what one decision spends, the next one knows."""

    def __init__(self, memory: Memory, seen: Round) -> None:
        self.made: list[Deliberation] = []
        self._memory, self._seen = memory, seen
        self._changed: dict[str, Case] = {}
        self._rollbacks = memory.rollbacks
        self._droplets = [one for one in seen.sightings if not one.target.container]
        self._dropped: set[str] = set()
        self._ids: Counter[int] | None = None
        self._names: Counter[str] | None = None
        self._serving: Counter[str] | None = None
        silent = sum(not answers(one.observations) for one in self._droplets)
        self._fleet = Fleet(
            len(self._droplets), silent, seen.self_test, seen.provider, memory.interventions, memory.suspension
        )

    def decide(self, sighting: Sighting) -> None:
        """Decides about one target, and remembers it."""
        state, now = self._state(sighting), self._seen.at
        observations = newest(sighting.observations, now)
        decision = decide(state, observations, now)
        before = self._memory.cases.get(sighting.target.key)
        news = decision.acts or decision.alerts or decision.cleared or decision.case.last != (before or _NONE).last
        found = identify(state, observations, now) if news else ""
        after = advance(state, decision, Outcome(found, "begun") if decision.acts else None, now)
        self._changed[sighting.target.key] = after.case
        self._fleet = after.fleet
        self._rollbacks += tuple(one for one in after.rollbacks if one not in self._rollbacks)
        if news:
            self.made.append(Deliberation(found, state, observations, now, decision))

    def forget(self) -> None:
        """Notes which targets no round names any more, and drops what was not asked for in long."""
        named = {FLEET.key, *(one.target.key for one in self._seen.sightings)}
        now = self._seen.at
        for key in self._memory.cases.keys() - named:
            self._changed[key] = replace(self._memory.cases[key], absent=self._memory.cases[key].absent or now)
        self._dropped = {
            key for key, one in self._changed.items() if one.absent and now.since(one.absent) > limits.ABSENT
        }
        lately = tuple(one for one in self._fleet.interventions if now.since(one.at) <= limits.DAY)
        self._fleet = replace(self._fleet, interventions=lately)
        self._rollbacks = self._rollbacks[-limits.ROLLBACKS :]

    def memory(self) -> Memory:
        """What is kept."""
        cases = {**self._memory.cases, **self._changed}
        kept = {key: one for key, one in cases.items() if key not in self._dropped}
        return Memory(kept, self._fleet.interventions, self._fleet.suspension, self._rollbacks)

    def _state(self, sighting: Sighting) -> State:
        target = sighting.target
        case = self._memory.cases.get(target.key) or Case(target)
        case = replace(
            case,
            target=target,
            absent=None,
            droplet=sighting.droplet or case.droplet,
            service=sighting.service or case.service,
        )
        services = (target.container,) if target.container else case.droplet.services if case.droplet else ()
        return State(
            case=case,
            fleet=self._fleet,
            namesakes=self._namesakes(target),
            leases=tuple(one for one in self._seen.leases if one.container in services),
            pauses=self._seen.pauses,
            standings=() if alive(sighting.observations) else self._standings(case),
            rollbacks=tuple(one for one in self._rollbacks if one.container == target.container),
        )

    def _namesakes(self, target: Target) -> int:
        if self._ids is None or self._names is None:
            self._ids = Counter(one.target.droplet for one in self._droplets)
            self._names = Counter(one.target.name for one in self._droplets)
        found = (self._ids[target.droplet], self._names[target.name])
        return max(found) if all(found) else 0

    def _standings(self, case: Case) -> tuple[Standing, ...]:
        names = case.droplet.names if case.droplet and not case.target.container else ()
        if names and self._serving is None:
            self._serving = self._look_up()
        return tuple(Standing(name, self._serving[name] if self._serving else 0) for name in names)

    def _look_up(self) -> Counter[str]:
        """How many droplets serve each name: they are alive, and its record leads there."""
        found: Counter[str] = Counter()
        for one in self._droplets:
            case = self._memory.cases.get(one.target.key) or _NONE
            facts = one.droplet or case.droplet
            if facts and alive(one.observations) and not case.is_down:
                found.update(set(facts.names) - set(case.away))
        return found


_NONE = Case(FLEET)
