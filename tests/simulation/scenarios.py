"""What happens to a fleet in a day: each scenario changes the world at the beginning of a round."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.simulation.world import World

BEGIN = 3 * 60
"""The round in which trouble begins."""


@dataclass(frozen=True)
class Scenario:
    """A day's trouble."""

    name: str
    change: Callable[[World], None]
    end: int
    """The round in which it is over, but for what it has broken."""


def _quiet(world: World) -> None:
    """Nothing but lost probes."""


def _no_egress(world: World) -> None:
    world.egress = not BEGIN <= world.round < BEGIN + 20


def _cut_off(world: World) -> None:
    world.sees_droplets = not BEGIN <= world.round < BEGIN + 20


def _agents_crash(world: World) -> None:
    """A bad release of the agent: for ten hours also on machines that are made anew."""
    world.agents_crash = BEGIN <= world.round < BEGIN + 600
    if world.round == BEGIN or world.round == BEGIN + 600:
        for machine in world.machines:
            machine.agent = not world.agents_crash


def _flapping(world: World) -> None:
    if world.round == BEGIN:
        world.machines[0].flaps = True
    if world.round == BEGIN + 300:
        for machine in world.machines:
            machine.flaps = False


def _host_flapping(world: World) -> None:
    """A machine whose network comes and goes every five minutes."""
    first = world.machines[0]
    first.dark = BEGIN <= world.round < BEGIN + 300 and (world.round - BEGIN) % 10 < 5


def _provider_down(world: World) -> None:
    """Three hours without the provider's API; a machine dies in the first of them."""
    world.provider = not BEGIN <= world.round < BEGIN + 180
    if world.round == BEGIN + 30:
        world.machines[0].power = "off"


def _rack_dark(world: World) -> None:
    dark = BEGIN <= world.round < BEGIN + 60
    if world.round in (BEGIN, BEGIN + 60):
        for machine in world.machines[: len(world.machines) * 4 // 10]:
            machine.dark = dark


def _one_off(world: World) -> None:
    if world.round == BEGIN:
        world.machines[0].power = "off"


def _one_hung(world: World) -> None:
    if world.round == BEGIN:
        world.machines[0].runs = False


def _one_broken(world: World) -> None:
    """It hangs, and a power cycle does not help."""
    world.cycles_help = False
    _one_hung(world)


def _never_healthy(world: World) -> None:
    """Three machines die one after the other, and no replacement ever becomes healthy."""
    world.replacements_work = False
    for number in range(3):
        if world.round == BEGIN + 40 * number:
            world.machines[2 * number].power = "off"


def _clocks(world: World) -> None:
    """Agents' clocks are wrong by up to ten minutes; the controller's jumps, and is put right half an hour later."""
    if world.round == 0:
        for number, machine in enumerate(world.machines):
            machine.skew = 600.0 * (number % 3 - 1)
    world.clock = 600.0 if BEGIN <= world.round < BEGIN + 30 else 0.0


def _crash_loop(world: World) -> None:
    """A service that nothing but a person brings back, who does so three hours later."""
    if world.round in (BEGIN, BEGIN + 180):
        world.machines[0].app = world.round != BEGIN


SCENARIOS = [
    Scenario("lost probes only", _quiet, 0),
    Scenario("controller cut off from everything, 20 min", _no_egress, BEGIN + 20),
    Scenario("controller cut off from all droplets, 20 min", _cut_off, BEGIN + 20),
    Scenario("all agents crash, services serve", _agents_crash, BEGIN + 600),
    Scenario("a service flaps each 30 s", _flapping, BEGIN + 300),
    Scenario("a droplet's network flaps", _host_flapping, BEGIN + 300),
    Scenario("provider's API down, one droplet dies", _provider_down, BEGIN + 180),
    Scenario("a rack of 40 % dark", _rack_dark, BEGIN + 60),
    Scenario("one droplet off", _one_off, BEGIN),
    Scenario("one droplet hangs", _one_hung, BEGIN),
    Scenario("one droplet hangs for good", _one_broken, BEGIN),
    Scenario("replacements never healthy", _never_healthy, BEGIN + 80),
    Scenario("clocks wrong by 10 min", _clocks, BEGIN + 30),
    Scenario("a service crashes for 3 h", _crash_loop, BEGIN + 180),
]
