"""A day of a scenario under a policy, and the table of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from tests.simulation.policies import Naive, Ours, Policy
from tests.simulation.scenarios import SCENARIOS, Scenario
from tests.simulation.world import DAY, Totals, World, build


@dataclass(frozen=True)
class Comparison:
    """One scenario, under both policies."""

    scenario: Scenario
    size: int
    naive: Totals
    ours: Totals


def live(scenario: Scenario, policy: Policy, size: int, seed: int = 1, rounds: int = DAY) -> World:
    """The world after a day."""
    world = build(size, seed)
    for number in range(rounds):
        world.round = number
        scenario.change(world)
        policy.look(world)
        world.count()
    return world


def compare(size: int, scenarios: Iterable[Scenario] = SCENARIOS, rounds: int = DAY) -> list[Comparison]:
    """All scenarios under both policies, with the same luck."""
    return [
        Comparison(
            one,
            size,
            live(one, Naive(), size, rounds=rounds).totals,
            live(one, Ours(), size, rounds=rounds).totals,
        )
        for one in scenarios
    ]


def show(found: Sequence[Comparison], console: Console) -> None:
    """The table, naive against ours."""
    size = found[0].size
    table = Table(title=f"A day of {size} droplets, 2 % of probes lost: naive / ours")
    table.add_column("scenario")
    for head in ("replaced", "power-cycled", "of healthy ones", "repairs", "out of DNS", "outage (host min)", "alerts"):
        table.add_column(head, justify="right")
    for one in found:
        table.add_row(one.scenario.name, *(f"{a:,} / {b:,}" for a, b in _columns(one.naive, one.ours)))
    console.print(table)


def _columns(naive: Totals, ours: Totals) -> Iterable[tuple[int, int]]:
    for read in ("replacements", "cycles", "of_healthy", "repairs", "dns"):
        yield getattr(naive, read), getattr(ours, read)
    yield naive.outage // 60, ours.outage // 60
    yield naive.alerts, ours.alerts
