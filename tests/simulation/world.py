"""A fleet that is only numbers: machines, what runs on them, what can be seen of them, and what visitors lose."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

ROUND = 60
"""Seconds from one round to the next."""
DAY = 24 * 60
"""Rounds of a day."""
BIRTH = 3
"""Rounds until a new machine serves."""
PROOF = 5
"""Rounds for which a replacement has to be healthy before it takes over."""
LOST = 0.02
"""The share of probes over a network that come back without an answer."""


@dataclass
class Machine:
    """A droplet with one service. What is true of it, not what anybody knows."""

    id: int
    service: str
    power: str = "on"
    runs: bool = True
    """False: it hangs, although it is on."""
    dark: bool = False
    """Its network is cut, towards everybody."""
    agent: bool = True
    app: bool = True
    flaps: bool = False
    """Its service is up for 30 s and down for 30 s."""
    skew: float = 0.0
    """Seconds by which its clock is wrong."""
    in_dns: bool = True
    born: int = 0
    """The round from which on it serves."""
    misses: int = 0
    """For the naive policy: failed probes in a row."""

    @property
    def name(self) -> str:
        """Never used again, as a droplet's."""
        return f"demo-{self.id:06x}"

    @property
    def is_well(self) -> bool:
        """Whether the machine itself and its service are as they should be, whatever can be seen of them."""
        return self.power == "on" and self.runs and self.app


@dataclass
class Totals:
    """What a policy did in a day, and what visitors lost."""

    replacements: int = 0
    cycles: int = 0
    of_healthy: int = 0
    """Replacements and power cycles of machines that were well."""
    repairs: int = 0
    """Restarts, rollbacks and recreations."""
    dns: int = 0
    alerts: int = 0
    outage: int = 0
    """Seconds, added over the machines that visitors were sent to and that did not serve."""
    log: list[str] = field(default_factory=list)
    replaced_at: list[int] = field(default_factory=list)
    """The rounds in which replacements were decided."""
    out_at: list[int] = field(default_factory=list)
    """The rounds in which names left DNS."""
    told: list[str] = field(default_factory=list)


@dataclass
class World:
    """All machines, and what stands between them and the controller."""

    machines: list[Machine]
    random: Random
    round: int = 0
    egress: bool = True
    """Whether the controller reaches anything at all."""
    sees_droplets: bool = True
    """Whether it reaches the droplets."""
    provider: bool = True
    """Whether the provider's API works."""
    clock: float = 0.0
    """Seconds by which the controller's clock is wrong."""
    agents_crash: bool = False
    """Whether new machines' agents crash too."""
    replacements_work: bool = True
    cycles_help: bool = True
    totals: Totals = field(default_factory=Totals)
    _next: int = 0

    def lost(self) -> bool:
        """Whether a probe is lost on its way."""
        return self.random.random() < LOST

    def serves(self, machine: Machine) -> bool:
        """Whether visitors who are sent to the machine get what they came for."""
        return machine.is_well and not machine.dark and self.round >= machine.born

    def count(self) -> None:
        """Adds what visitors lost in this round."""
        for machine in self.machines:
            if machine.in_dns and not (machine.is_well and not machine.dark and self.round >= machine.born):
                self.totals.outage += ROUND
            elif machine.flaps and machine.in_dns:
                self.totals.outage += ROUND // 2

    def find(self, id: int) -> Machine:
        """The machine of this id."""
        return next(one for one in self.machines if one.id == id)

    def replace(self, old: Machine, after: int) -> Machine:
        """A new machine in the place of an old one; it serves so many rounds later, if it ever does."""
        self._next = max(self._next, *(one.id for one in self.machines)) + 1
        new = Machine(
            self._next,
            old.service,
            born=self.round + after,
            agent=not self.agents_crash,
            app=self.replacements_work,
        )
        self.machines[self.machines.index(old)] = new
        return new


def build(size: int, seed: int) -> World:
    """A fleet in which every service runs on two machines."""
    machines = [Machine(number + 1, f"9fe5e6_demo_prod_s{number // 2}") for number in range(size)]
    return World(machines, Random(seed))  # noqa: S311  # a simulation keeps no secret
