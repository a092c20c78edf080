"""Rounds: what is remembered, what is told of the fleet, and what becomes of decisions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleet.remediation import documents, limits
from fleet.remediation.advance import Outcome
from fleet.remediation.rounds import Memory, Round, Sighting, allow_replacements, conclude, deliberate, let_go
from fleet.remediation.state import DropletFacts
from tests.unit.fleet.remediation.scenes import (
    AGENT_DEAD,
    BLIND,
    HELLO,
    HUNG,
    OFF,
    SEES,
    UNSEEN,
    Scene,
    droplet,
    observe,
    service,
)

ONE = droplet(1)


@pytest.fixture
def scene() -> Scene:
    """Ten droplets that visitors reach by no name, looked at once while all is well."""
    made = Scene(facts=DropletFacts((HELLO,), (), True, ()))
    made.look()
    return made


def test_a_quiet_fleet_decides_nothing_and_remembers_no_more_than_it_did(scene: Scene) -> None:
    before = {key: case for key, case in scene.memory.cases.items() if key != "0"}
    for _ in range(60):
        assert scene.look() == {}
    assert {key: case for key, case in scene.memory.cases.items() if key != "0"} == before


def test_what_stays_as_it_was_decided_is_not_decided_anew(scene: Scene) -> None:
    scene.own[1] = replace(scene.facts, replaceable=False)
    for _ in range(60):
        scene.look({1: OFF})
    told = [(made.decision.action, made.decision.because) for made in scene.made]
    assert told == [("alert", "G2+G6"), ("none", "G6")]


def test_a_step_is_remembered_as_begun_before_anybody_has_carried_it_out(scene: Scene) -> None:
    for _ in range(3):
        scene.look({1: OFF})
    (made,) = scene.last
    (step,) = scene.memory.cases[ONE.key].steps
    assert (step.action, step.decision, step.ended) == ("replace", made.id, None)
    assert [one.decision for one in scene.memory.interventions] == [made.id]


def test_a_controller_that_dies_before_it_acts_does_not_act_a_second_time(scene: Scene) -> None:
    for _ in range(3):
        scene.look({1: OFF})
    scene.restart()
    assert scene.acts(23 * 60, {1: OFF}) == []


def test_an_outcome_that_is_told_twice_counts_once(scene: Scene) -> None:
    for _ in range(3):
        scene.look({1: OFF})
    (made,) = scene.last
    scene.tell(made, "unhelpful")
    once = scene.memory
    scene.at = scene.at.later(60)
    scene.tell(made, "helped")
    assert scene.memory == once


def test_the_outcome_of_a_decision_that_nobody_made_changes_nothing(scene: Scene) -> None:
    for _ in range(3):
        scene.look({1: OFF})
    (made,) = scene.last
    for target in (ONE, droplet(99)):
        outcome = Outcome("20261124t000000-0000000000", "helped")
        assert conclude(scene.memory, target, made.decision, outcome, scene.at) == scene.memory


def test_facts_that_nobody_can_tell_any_more_are_those_that_were_known_last(scene: Scene) -> None:
    facts = replace(scene.facts, data=("pictures",))
    for said, told in ((AGENT_DEAD, facts), (OFF, None), (OFF, None), (OFF, None)):
        scene.at = scene.at.later(60)
        seen = (Sighting(ONE, observe(said, scene.at), told),)
        scene.memory, scene.last = deliberate(scene.memory, Round(scene.at, SEES, seen))
    (made,) = scene.last
    assert made.decision.because == "G6"
    assert "pictures" in made.decision.reason


def test_a_target_that_no_round_names_is_forgotten_after_a_day(scene: Scene) -> None:
    scene.size = 9
    scene.acts(10)
    assert droplet(10).key in scene.memory.cases
    scene.look(seconds=limits.ABSENT)
    assert droplet(10).key not in scene.memory.cases
    assert service(10).key not in scene.memory.cases


def test_a_target_that_a_round_leaves_out_is_where_it_was_when_it_is_named_again(scene: Scene) -> None:
    scene.acts(3, {10: HUNG})
    scene.size = 9
    scene.acts(1)
    scene.size = 10
    scene.acts(1)
    assert scene.memory.cases[droplet(10).key].absent is None
    assert scene.alerts() == [f"{droplet(10)}: dead"]


def test_an_empty_round_forgets_nothing_and_does_nothing(scene: Scene) -> None:
    memory, made = deliberate(scene.memory, Round(scene.at.later(60), SEES, ()))
    assert memory.cases.keys() == scene.memory.cases.keys()
    assert made == ()


def test_one_lost_self_test_is_not_told_and_three_are_told_once(scene: Scene) -> None:
    for test in (BLIND, SEES, BLIND, BLIND, SEES):
        scene.self_test = test
        scene.look()
    assert scene.alerts() == []
    scene.self_test = BLIND
    scene.acts(30)
    assert scene.alerts() == ["the fleet: blind"]


def test_what_was_told_before_the_controller_went_blind_is_not_told_again_after_it(scene: Scene) -> None:
    scene.own[1] = replace(scene.facts, replaceable=False)
    scene.acts(10, {1: OFF})
    scene.self_test = BLIND
    scene.acts(10, {1: UNSEEN})
    scene.self_test = SEES
    scene.acts(10, {1: OFF})
    assert scene.alerts() == [f"{ONE}: dead", "the fleet: blind"]


def test_two_that_fail_in_the_same_round_are_replaced_one_after_the_other(scene: Scene) -> None:
    for _ in range(3):
        scene.look({1: OFF, 2: OFF})
    assert [made.decision.action for made in scene.last].count("replace") == 1


def test_of_twenty_and_more_one_in_twenty_is_worked_on_at_once() -> None:
    scene = Scene(size=60, facts=DropletFacts((HELLO,), (), False, ()))
    scene.look()
    hung = {number: HUNG for number in range(1, 11)}
    for _ in range(6):
        scene.look(hung)
    assert [made.decision.action for made in scene.last].count("power-cycle") == 3


def test_replacements_that_were_suspended_go_on_once_a_person_says_so_and_budgets_stay(scene: Scene) -> None:
    assert scene.acts(200, {1: OFF, 2: OFF}, word="unhelpful") == ["replace", "replace"]
    assert scene.memory.suspension is not None
    scene.memory = allow_replacements(scene.memory, scene.at)
    assert scene.memory.suspension is None
    assert scene.acts(120, {1: OFF, 2: OFF}) == []
    assert scene.acts(5, {3: OFF}) == ["replace"]


@pytest.mark.parametrize("name", [HELLO, "hello", ONE.name])
def test_a_person_lets_go_of_what_is_held(scene: Scene, name: str) -> None:
    scene.acts(60, services={1: "unhealthy"}, word="unhelpful")
    assert scene.memory.cases[service(1).key].hold is not None
    assert let_go(scene.memory, "other") == scene.memory
    assert let_go(scene.memory, "") == scene.memory
    assert let_go(scene.memory, name).cases[service(1).key].hold is None


def test_a_memory_survives_its_json(scene: Scene) -> None:
    scene.acts(30, {1: OFF, 2: HUNG}, {3: "unhealthy"}, word="unhelpful")
    assert documents.load(Memory, documents.dump(scene.memory)) == scene.memory
