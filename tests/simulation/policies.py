"""Two ways to look after a fleet: three failures and it is replaced, and ours."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Protocol

from fleet.remediation.advance import Outcome, Word
from fleet.remediation.moments import Moment
from fleet.remediation.observations import Calls, Check, Observation, Said, SelfTest
from fleet.remediation.rounds import Deliberation, Memory, Round, Sighting, conclude, deliberate
from fleet.remediation.state import DropletFacts, ServiceFacts, Target
from tests.simulation.world import BIRTH, PROOF, ROUND, Machine, World

START = datetime(2026, 11, 24, tzinfo=UTC)
RING = 10
"""Seconds from one probe of a droplet's own agent to the next."""


class Policy(Protocol):
    """Looks at the world once a round, and changes it."""

    def look(self, world: World) -> None:
        """One round."""


class Naive:
    """Three failed probes in a row, and the machine is replaced."""

    def look(self, world: World) -> None:
        """One round."""
        for machine in list(world.machines):
            failed = not _agent_answers(world, machine) or world.lost() or not machine.app
            machine.misses = machine.misses + 1 if failed and world.round >= machine.born else 0
            if machine.misses >= 3 and world.provider and world.egress:
                _count(world, machine)
                world.totals.replacements += 1
                world.totals.alerts += 1
                world.totals.replaced_at.append(world.round)
                world.replace(machine, BIRTH)


class Ours:
    """Observations in, decisions out, and what was decided is carried out."""

    def __init__(self) -> None:
        self.memory = Memory()
        self.made: list[Deliberation] = []
        self._later: list[tuple[int, Deliberation]] = []

    def look(self, world: World) -> None:
        """One round."""
        now = _now(world)
        due = [one for round, one in self._later if round <= world.round]
        self._later = [(round, one) for round, one in self._later if round > world.round]
        for made in due:
            self._conclude(world, made, now)
        self.memory, found = deliberate(self.memory, _look(world, now))
        for made in found:
            self.made.append(made)
            world.totals.alerts += len(made.decision.alerts)
            world.totals.told += [f"{made.decision.target}: {one.kind}" for one in made.decision.alerts]
            if made.decision.acts:
                self._begin(world, made)

    def _begin(self, world: World, made: Deliberation) -> None:
        decision = made.decision
        machine = world.find(decision.target.droplet)
        world.totals.log.append(f"{world.round}: {decision}")
        wait = 0
        match decision.action:
            case "replace":
                _count(world, machine)
                world.totals.replacements += 1
                world.totals.replaced_at.append(world.round)
                wait = BIRTH + PROOF
            case "power-cycle":
                _count(world, machine)
                world.totals.cycles += 1
                wait = 2
            case "remove from DNS":
                world.totals.dns += 1
                world.totals.out_at.append(world.round)
                machine.in_dns = False
            case "return to DNS":
                machine.in_dns = True
            case _:
                world.totals.repairs += 1
        self._later.append((world.round + max(wait, 1), made))

    def _conclude(self, world: World, made: Deliberation, now: Moment) -> None:
        decision = made.decision
        machine = world.find(decision.target.droplet)
        word: Word = "helped"
        successor = None
        if decision.action == "power-cycle":
            machine.runs = machine.runs or world.cycles_help
            word = "helped" if machine.runs else "unhelpful"
        elif decision.action == "replace" and world.replacements_work:
            successor = world.replace(machine, 0).id
        elif decision.action in ("replace", "restart", "rollback", "recreate"):
            word = "helped" if machine.app and decision.action != "replace" else "unhelpful"
        outcome = Outcome(made.id, word, successor=successor)
        self.memory = conclude(self.memory, decision.target, decision, outcome, now)


def _count(world: World, machine: Machine) -> None:
    world.totals.of_healthy += machine.is_well and world.round >= machine.born


def _now(world: World) -> Moment:
    """The controller's clocks: the one for people may be set, the other runs on."""
    true = Moment(START, 0.0, "boot").later(world.round * ROUND)
    return Moment(true.later(world.clock).utc, true.monotonic, true.boot)


def _agent_answers(world: World, machine: Machine) -> bool:
    seen = world.egress and world.sees_droplets and not machine.dark
    return seen and machine.power == "on" and machine.runs and machine.agent


def _look(world: World, now: Moment) -> Round:
    """A round's observations. What is well is the same for all machines, and made once."""
    well = (
        Observation("agent", now, "healthy", 0.02),
        Observation("edge", now, "healthy", 0.05),
        Observation("provider", now, "on", 0.1),
    )
    up = (Observation("agent", now, "healthy", 0.02),)
    sightings: list[Sighting] = []
    for machine in world.machines:
        target, service, served, bare = _known(machine.id, machine.name, machine.service)
        seen = _droplet(world, machine, now, well)
        facts = served if machine.in_dns else bare
        sightings.append(Sighting(target, seen, facts))
        judged = seen[0].said == "healthy"
        apps = up if judged and machine.app and not machine.flaps else _service(machine, judged, now)
        sightings.append(Sighting(service, apps, service=_FACTS))
    failed = 10 if not (world.provider and world.egress) else 0
    return Round(now, _self_test(world), tuple(sightings), Calls(failed, 10))


@cache
def _known(id: int, name: str, service: str) -> tuple[Target, Target, DropletFacts, DropletFacts]:
    """What is always the same of a machine."""
    served = DropletFacts((service,), (f"{service}.example.com",), True, ())
    return Target(id, name), Target(id, name, service), served, replace(served, names=())


_FACTS = ServiceFacts("web", "20261101t000000-aaaaaa")


def _droplet(world: World, machine: Machine, now: Moment, well: tuple[Observation, ...]) -> tuple[Observation, ...]:
    agent: Said = "healthy" if _agent_answers(world, machine) and not world.lost() else "silent"
    edge: Said = "silent"
    if not world.egress:
        edge = "silent"
    elif machine.power == "on" and machine.runs and not machine.dark and not world.lost():
        edge = "healthy" if machine.app else "unhealthy"
    provider: Said = "unknown"
    if world.provider and world.egress:
        provider = "on" if machine.power == "on" else "off"
    if agent == edge == "healthy" and provider == "on":
        return well
    said: list[tuple[str, Said]] = [("agent", agent), ("edge", edge), ("provider", provider)]
    return tuple(Observation(who, now, what) for who, what in said)  # type: ignore[arg-type]  # a witness


def _service(machine: Machine, judged: bool, now: Moment) -> tuple[Observation, ...]:
    """The ring of the agent, stamped by its own clock, and told as ages."""
    if not judged:
        return (Observation("agent", now, "unknown", detail="its agent does not answer"),)
    theirs = now.later(machine.skew).utc
    stamps = [(theirs.timestamp() - age, age) for age in range(ROUND - RING, -1, -RING)]
    return tuple(
        Observation("agent", now.earlier(theirs.timestamp() - stamp), _app(machine, age)) for stamp, age in stamps
    )


def _app(machine: Machine, age: int) -> Said:
    if machine.flaps:
        return "healthy" if age < 30 else "unhealthy"
    return "healthy" if machine.app else "unhealthy"


def _self_test(world: World) -> SelfTest:
    """Each probe of it is tried twice, as a controller would."""

    def passes(name: str, works: bool) -> Check:
        return Check(name, works and not (world.lost() and world.lost()))

    return SelfTest(
        passes("provider", world.provider and world.egress),
        (passes("one", world.egress), passes("two", world.egress)),
        Check("prefect", True),
        world.clock if world.egress else None,
    )
