"""Each gate, where it is shut and where it is open."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleet.remediation.actions import NEEDS, Action, Intervention
from fleet.remediation.gates import (
    Gate,
    Question,
    breaker_limit,
    gates,
    is_incident,
    may_go_on,
    self_test_failures,
)
from fleet.remediation.observations import Calls, Check, Observation, Said, SelfTest, Witness
from fleet.remediation.state import Case, DropletFacts, Fleet, Lease, Pause, Spell, State, Suspension
from tests.unit.fleet.remediation.scenes import HELLO, HUNG, OFF, PASSED, SEES, START, droplet, observe

NOW = START.later(3600)
DEAD = Case(
    droplet(1),
    droplet=DropletFacts((HELLO,), (), True, ()),
    down=Spell(NOW.earlier(700), NOW, 12),
    is_down=True,
)
OPEN = State(DEAD, Fleet(10, 1, SEES))


def ask(name: str, state: State = OPEN, said: dict[Witness, Said] | None = None, action: Action = "replace") -> Gate:
    """One gate about an action."""
    found = gates(Question(state, observe(said or HUNG, NOW), action, NOW))
    return next(one for one in found if one.name == name)


def test_a_droplet_of_which_all_is_known_passes_every_gate() -> None:
    found = gates(Question(OPEN, observe(HUNG, NOW), "replace", NOW))
    assert [(one.name, one.passed) for one in found] == [(f"G{n}", True) for n in range(1, 8)]
    assert all(one.reason for one in found)


def test_all_seven_are_looked_at_whatever_is_needed() -> None:
    for action, needed in NEEDS.items():
        found = gates(Question(OPEN, (), action, NOW))
        assert len(found) == 7
        assert tuple(one.name for one in found if one.needed) == needed


def test_what_is_destructive_needs_all_that_there_are_but_the_opt_in_for_a_power_cycle() -> None:
    assert NEEDS["replace"] == ("G1", "G2", "G3", "G4", "G5", "G6", "G7")
    assert NEEDS["power-cycle"] == ("G1", "G2", "G3", "G4", "G5", "G7")


@pytest.mark.parametrize(
    ("test", "why"),
    [
        (replace(SEES, provider=None), "the provider's API was not tried"),
        (replace(SEES, provider=Check("api", False, "503")), "the provider's API does not pass (503)"),
        (replace(SEES, prefect=None), "Prefect's API was not tried"),
        (replace(SEES, public=(PASSED,)), "fewer than 2 public addresses were tried"),
        (replace(SEES, public=(PASSED, PASSED)), "fewer than 2 public addresses were tried"),
        (replace(SEES, public=(PASSED, Check("two", False))), "two does not pass"),
        (replace(SEES, skew=None), "the clock was compared with no other"),
        (replace(SEES, skew=-5.1), "the clock is 5 s off"),
    ],
)
def test_g1_is_shut_when_any_part_of_the_self_test_fails(test: SelfTest, why: str) -> None:
    gate = ask("G1", replace(OPEN, fleet=replace(OPEN.fleet, self_test=test)))
    assert (gate.passed, gate.reason) == (False, why)


def test_a_self_test_that_nobody_made_has_failed_in_all_parts() -> None:
    assert len(self_test_failures(SelfTest())) == 4


@pytest.mark.parametrize("skew", [-5.0, 0.0, 5.0])
def test_g1_allows_the_clock_five_seconds(skew: float) -> None:
    assert self_test_failures(replace(SEES, skew=skew)) == []


@pytest.mark.parametrize(
    ("said", "passed"),
    [
        ({"agent": "silent", "edge": "silent"}, True),
        ({"agent": "silent", "peer": "silent"}, True),
        ({"agent": "silent", "provider": "off"}, True),
        ({"agent": "silent", "provider": "gone"}, True),
        ({"edge": "silent", "provider": "off"}, True),
        ({"agent": "silent"}, False),
        ({"agent": "silent", "provider": "on"}, False),
        ({"agent": "silent", "edge": "unknown", "provider": "unknown"}, False),
        ({"agent": "silent", "edge": "silent", "peer": "healthy"}, False),
        ({"agent": "unhealthy", "edge": "silent", "provider": "off"}, False),
        ({"agent": "silent", "edge": "unhealthy", "provider": "off"}, False),
        ({}, False),
    ],
)
def test_g2_wants_two_kinds_of_witness_and_no_word_of_life(said: dict[Witness, Said], passed: bool) -> None:
    found = gates(Question(OPEN, observe(said, NOW), "replace", NOW))
    assert found[1].passed is passed


def test_g2_counts_two_peers_as_one() -> None:
    twice = (Observation("peer", NOW, "silent"), Observation("peer", NOW, "silent"))
    assert gates(Question(OPEN, twice, "replace", NOW))[1].passed is False


@pytest.mark.parametrize(
    ("action", "said", "seconds"),
    [("replace", HUNG, 600), ("replace", OFF, 120), ("power-cycle", HUNG, 300), ("power-cycle", OFF, 120)],
)
def test_g2_wants_it_to_have_lasted(action: Action, said: dict[Witness, Said], seconds: int) -> None:
    for lasting, passed in ((seconds - 1, False), (seconds, True)):
        case = replace(DEAD, down=Spell(NOW.earlier(lasting), NOW, 12))
        assert ask("G2", replace(OPEN, case=case), said, action).passed is passed


def test_g2_wants_nothing_to_have_lasted_before_a_name_leaves_dns() -> None:
    case = replace(DEAD, down=Spell(NOW, NOW))
    assert ask("G2", replace(OPEN, case=case), HUNG, "remove from DNS").passed


@pytest.mark.parametrize(
    ("droplets", "limit"), [(0, 1), (1, 1), (2, 1), (5, 1), (6, 2), (10, 3), (100, 34), (500, 170)]
)
def test_g3_allows_a_third_and_always_one(droplets: int, limit: int) -> None:
    assert breaker_limit(droplets) == limit
    for suspects, passed in ((limit, True), (limit + 1, False)):
        fleet = replace(OPEN.fleet, droplets=droplets, suspects=suspects)
        assert ask("G3", replace(OPEN, fleet=fleet)).passed is passed


@pytest.mark.parametrize(
    ("calls", "incident"), [(Calls(2, 2), False), (Calls(3, 10), True), (Calls(3, 11), False), (Calls(30, 100), True)]
)
def test_g3_is_shut_in_an_incident_of_the_provider(calls: Calls, incident: bool) -> None:
    assert is_incident(calls) is incident
    assert ask("G3", replace(OPEN, fleet=replace(OPEN.fleet, provider=calls))).passed is not incident


def test_g4_names_the_operation_and_the_pause_that_are_against_it() -> None:
    state = replace(
        OPEN,
        leases=(Lease(HELLO, "deploy/amber-fox"), Lease(HELLO, "remediate/blue-owl", ours=True)),
        pauses=(Pause("droplet", DEAD.target.name, by="ann", why="I look at it"),),
    )
    gate = ask("G4", state)
    assert gate.reason == (
        f"deploy/amber-fox holds the lock of {HELLO}; the droplet {DEAD.target.name} is paused by ann: I look at it"
    )
    assert may_go_on(state, NOW) == (gate.reason, False)
    assert may_go_on(OPEN, NOW)[1]


@pytest.mark.parametrize(
    ("target", "namesakes", "passed"),
    [
        (droplet(1), 1, True),
        (droplet(1), 0, False),
        (droplet(1), 2, False),
        (replace(droplet(1), droplet=0), 1, False),
        (replace(droplet(1), name=""), 1, False),
    ],
)
def test_g5_wants_one_droplet_by_its_whole_id_and_name(target: object, namesakes: int, passed: bool) -> None:
    state = replace(OPEN, case=replace(DEAD, target=target), namesakes=namesakes)  # type: ignore[arg-type]  # a target
    assert ask("G5", state).passed is passed


def test_g7_is_shut_by_a_suspension_or_by_two_that_did_not_help() -> None:
    failed = [Intervention("replace", n, NOW.earlier(5000), f"{n}", NOW.earlier(600), False) for n in (1, 2)]
    helped = Intervention("replace", 3, NOW.earlier(900), "3", NOW.earlier(600), True)
    cycle = Intervention("power-cycle", 3, NOW.earlier(900), "3", NOW.earlier(600), False)

    def passes(*found: Intervention, suspension: Suspension | None = None) -> bool:
        fleet = replace(OPEN.fleet, interventions=found, suspension=suspension)
        return ask("G7", replace(OPEN, fleet=fleet)).passed

    assert passes()
    assert passes(failed[0], helped, cycle)
    assert not passes(*failed)
    assert not passes(suspension=Suspension(NOW, "two did not help"))
    assert passes(failed[0], replace(failed[1], ended=NOW.earlier(7300)))
    assert passes(failed[0], replace(failed[1], helped=None))


def test_a_replacement_of_which_nobody_tells_the_end_did_not_help() -> None:
    silent = [Intervention("replace", n, NOW.earlier(3700), f"{n}") for n in (1, 2)]
    assert not ask("G7", replace(OPEN, fleet=replace(OPEN.fleet, interventions=tuple(silent)))).passed
