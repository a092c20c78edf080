"""What is remembered once something is decided, begun or told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleet.remediation.advance import Outcome, Word, advance
from fleet.remediation.decide import decide
from fleet.remediation.rounds import Deliberation
from tests.unit.fleet.remediation.scenes import OFF, Scene, droplet, service


def made(target: str) -> Deliberation:
    """A decision to take a droplet's names out of DNS, or to restart its service."""
    scene = Scene()
    scene.look()
    for _ in range(3):
        scene.look({1: OFF} if target == "droplet" else {}, {1: "unhealthy"} if target == "service" else {})
        if scene.last:
            break
    return scene.last[0]


@pytest.mark.parametrize("target", ["droplet", "service"])
def test_beginning_twice_is_one_step(target: str) -> None:
    found = made(target)
    begun = Outcome(found.id, "begun")
    once = advance(found.state, found.decision, begun, found.at)
    assert [step.decision for step in once.case.steps] == [found.id]
    decision = replace(found.decision, case=once.case)
    assert advance(once, decision, begun, found.at.later(60)).case.steps == once.case.steps


def test_a_decision_that_nobody_carries_out_is_only_remembered() -> None:
    found = made("droplet")
    quiet = decide(found.state, (), found.at)
    after = advance(found.state, quiet, None, found.at)
    assert (after.case, after.fleet) == (quiet.case, found.state.fleet)


def test_names_are_away_once_they_have_left_and_back_once_they_are_given_back() -> None:
    found = made("droplet")
    begun = advance(found.state, found.decision, Outcome(found.id, "begun"), found.at)
    assert begun.case.away == ()
    gone = advance(begun, found.decision, Outcome(found.id, "helped"), found.at)
    assert gone.case.away == ("hello.example.com",)
    returned = replace(found.decision, action="return to DNS", case=gone.case)
    begun = advance(gone, returned, Outcome("other", "begun"), found.at)
    assert advance(begun, returned, Outcome("other", "helped"), found.at).case.away == ()


@pytest.mark.parametrize(("word", "helped"), [("helped", True), ("unhelpful", False), ("cancelled", None)])
def test_a_step_ends_as_it_is_told(word: Word, helped: bool | None) -> None:
    found = made("droplet")
    begun = advance(found.state, found.decision, Outcome(found.id, "begun"), found.at)
    ended = advance(begun, found.decision, Outcome(found.id, word), found.at.later(5))
    (step,) = ended.case.steps
    assert (step.ended, step.helped) == (found.at.later(5), helped)
    assert step.runs(found.at.later(6)) is False
    assert ended.case.away == (("hello.example.com",) if helped else ())


def test_a_service_has_to_fall_anew_after_a_step_and_a_droplet_stays_as_it_is() -> None:
    for target, is_down in (("service", False), ("droplet", True)):
        found = made(target)
        begun = advance(found.state, found.decision, Outcome(found.id, "begun"), found.at)
        assert begun.case.is_down
        assert advance(begun, found.decision, Outcome(found.id, "unhelpful"), found.at).case.is_down is is_down


def test_the_scenes_are_what_they_seem() -> None:
    assert (made("droplet").decision.target, made("droplet").decision.action) == (droplet(1), "remove from DNS")
    assert (made("service").decision.target, made("service").decision.action) == (service(1), "restart")
