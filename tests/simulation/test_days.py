"""A day of trouble, simulated: no healthy machine is hurt, and what has to be helped is helped in time.

A few hours of 500 droplets here; `make simulate` prints the whole table.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import pytest

from fleet.remediation.records import differences, make_record, replay
from fleet.remediation.rounds import Deliberation
from tests.simulation.days import Comparison, compare, live
from tests.simulation.policies import Naive, Ours
from tests.simulation.scenarios import BEGIN, SCENARIOS
from tests.simulation.world import Totals

NAMES = {one.name: one for one in SCENARIOS}
CUT_OFF = "controller cut off from everything, 20 min"
NO_DROPLETS = "controller cut off from all droplets, 20 min"
AGENTS = "all agents crash, services serve"
PROVIDER = "provider's API down, one droplet dies"
RACK = "a rack of 40 % dark"
FLAPS = "a service flaps each 30 s"
CLOCKS = "clocks wrong by 10 min"
HARMLESS = [CUT_OFF, NO_DROPLETS, AGENTS, RACK, FLAPS, CLOCKS, "lost probes only"]
"""Trouble in which nothing must be done at all."""
SEEDS = (1, 2)


@cache
def lived(name: str, size: int, seed: int, rounds: int) -> tuple[Totals, tuple[Deliberation, ...]]:
    """What ours did in a day, and decided."""
    ours = Ours()
    return live(NAMES[name], ours, size, seed, rounds).totals, tuple(ours.made)


def day(name: str, size: int = 10, seed: int = 1, rounds: int = 1440) -> Totals:
    """What ours did."""
    return lived(name, size, seed, rounds)[0]


def decided(name: str) -> tuple[Deliberation, ...]:
    """What ours decided."""
    return lived(name, 10, 1, 1440)[1]


@pytest.mark.parametrize("name", NAMES)
def test_no_healthy_machine_is_hurt(name: str) -> None:
    for seed in SEEDS:
        assert day(name, seed=seed).of_healthy == 0


@pytest.mark.parametrize("name", HARMLESS)
def test_where_nothing_can_be_known_nothing_is_done(name: str) -> None:
    for seed in SEEDS:
        assert day(name, seed=seed).log == []


@pytest.mark.parametrize("name", [CUT_OFF, NO_DROPLETS, AGENTS, RACK, FLAPS, CLOCKS])
def test_trouble_of_the_whole_is_one_alert(name: str) -> None:
    for seed in SEEDS:
        assert len(day(name, seed=seed).told) == 1


def test_lost_probes_alone_are_no_alert() -> None:
    for seed in SEEDS:
        assert day("lost probes only", seed=seed).told == []


def test_a_droplet_that_is_off_is_out_of_dns_at_once_and_replaced_within_four_minutes() -> None:
    for seed in SEEDS:
        found = day("one droplet off", seed=seed)
        assert found.out_at == [BEGIN]
        assert len(found.replaced_at) == 1
        assert BEGIN + 2 <= found.replaced_at[0] <= BEGIN + 4
        assert found.outage == 0


def test_a_droplet_that_hangs_is_power_cycled_and_back_and_not_replaced() -> None:
    for seed in SEEDS:
        world = live(NAMES["one droplet hangs"], Ours(), 10, seed)
        assert (world.totals.cycles, world.totals.replacements) == (1, 0)
        assert all(world.serves(machine) and machine.in_dns for machine in world.machines)


def test_a_droplet_that_hangs_for_good_is_out_of_dns_in_three_minutes_and_replaced_within_twenty() -> None:
    for seed in SEEDS:
        found = day("one droplet hangs for good", seed=seed)
        assert BEGIN + 2 <= found.out_at[0] <= BEGIN + 4
        assert BEGIN + 10 <= found.replaced_at[0] <= BEGIN + 22
        assert (found.cycles, found.replacements) == (1, 1)


def test_nothing_is_replaced_while_the_provider_is_down_and_the_dead_one_is_afterwards() -> None:
    for seed in SEEDS:
        found = day(PROVIDER, seed=seed)
        assert len(found.replaced_at) == 1
        assert BEGIN + 180 <= found.replaced_at[0] <= BEGIN + 186


def test_replacements_that_never_get_healthy_suspend_themselves_after_two() -> None:
    for seed in SEEDS:
        found = day("replacements never healthy", seed=seed)
        assert found.replacements == 2
        assert found.told.count("the fleet: suspended") == 1


def test_a_service_that_nothing_helps_is_held_by_its_budget_and_told_once() -> None:
    for seed in SEEDS:
        found = day("a service crashes for 3 h", seed=seed)
        assert found.repairs == 3
        assert [one.rpartition(": ")[2] for one in found.told] == ["held"]


def test_a_droplet_whose_network_flaps_is_held_and_neither_cycled_nor_replaced() -> None:
    for seed in SEEDS:
        found = day("a droplet's network flaps", seed=seed)
        assert (found.cycles, found.replacements) == (0, 0)
        assert found.dns <= 4
        assert found.told[-1].endswith("flapping")


@pytest.mark.parametrize("name", [CUT_OFF, NO_DROPLETS, AGENTS, RACK, "one droplet off"])
def test_a_large_fleet_is_treated_alike(name: str) -> None:
    found = day(name, 500, rounds=BEGIN + 30)
    assert found.of_healthy == 0
    assert found.replacements == (1 if name == "one droplet off" else 0)
    assert len(found.told) == 1


def test_the_naive_way_does_the_harm_that_this_is_about() -> None:
    assert live(NAMES[AGENTS], Naive(), 10).totals.of_healthy > 1000
    assert live(NAMES["replacements never healthy"], Naive(), 10).totals.replacements > 100


@pytest.mark.parametrize("name", NAMES)
def test_every_decision_of_a_day_is_decided_the_same_again(name: str) -> None:
    assert decided(name)
    for made in decided(name):
        record = make_record(made, "demo-prod")
        assert differences(record.decision, replay(record)) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_day_keeps_the_budget_of_replacements(name: str) -> None:
    for seed in SEEDS:
        replaced = day(name, seed=seed).replaced_at
        assert len(replaced) <= 3
        assert all(later - first >= 60 for first, later in pairwise(replaced))


def test_the_table_sets_both_policies_side_by_side() -> None:
    (found,) = compare(10, [NAMES[NO_DROPLETS]], rounds=BEGIN + 25)
    assert isinstance(found, Comparison)
    assert (found.naive.of_healthy, found.ours.of_healthy) == (40, 0)
