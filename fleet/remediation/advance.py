"""What is remembered once a decision has been made, and once somebody has told what became of it: pure as well."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from fleet.remediation.actions import DESTRUCTIVE, Intervention, Step
from fleet.remediation.decision import Decision
from fleet.remediation.moments import Moment
from fleet.remediation.state import Case, Fleet, Rollback, State, Suspension

Word = Literal["begun", "helped", "unhelpful", "cancelled"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a decision.

    `begun` comes first, and before anything is done: from then on the budget is spent, whatever happens to whoever
    carries it out. Then `helped` (what it was for is so), `unhelpful`, or `cancelled` (a person came first).
    """

    decision: str
    """The id of its record; telling the same twice changes nothing."""
    word: Word
    detail: str = ""
    successor: int | None = None
    """The id of the droplet that took the place of one that was replaced."""
    resources: tuple[str, ...] = ()
    """What it made or touched at the provider, by whole ids."""
    healthy_after: float | None = None
    """Seconds from the decision until the target was healthy."""


def advance(state: State, decision: Decision, outcome: Outcome | None, now: Moment) -> State:
    """The state after a decision, or after its outcome.

    Args:
        state: the one that was decided from; for what comes after `begun`, the one that is remembered by then.
        decision: what was decided.
        outcome: None for a decision that nobody has to carry out.
        now: when it was told.
    """
    if outcome is None or outcome.word == "begun":
        decided = replace(state, case=decision.case)
        if decision.action == "suspend" and state.fleet.suspension is None:
            return replace(decided, fleet=replace(state.fleet, suspension=Suspension(now, decision.reason)))
        return _begin(decided, decision, outcome, now) if outcome and decision.acts else decided
    if not any(step.decision == outcome.decision and step.ended is None for step in state.case.steps):
        return state
    return replace(state, case=_end(state.case, decision, outcome, now), fleet=_told(state.fleet, outcome, now))


def _begin(state: State, decision: Decision, outcome: Outcome, now: Moment) -> State:
    if any(step.decision == outcome.decision for step in state.case.steps):
        return state
    case = replace(state.case, steps=(*state.case.steps, Step(decision.action, now, outcome.decision)))
    fleet, rollbacks = state.fleet, state.rollbacks
    if decision.action in DESTRUCTIVE:
        made = Intervention(decision.action, decision.target.droplet, now, outcome.decision)
        fleet = replace(fleet, interventions=(*fleet.interventions, made))
    if decision.action == "rollback":
        rollbacks = (*rollbacks, Rollback(decision.target.container, state.service.release, now))
    return replace(state, case=case, fleet=fleet, rollbacks=rollbacks)


def _end(case: Case, decision: Decision, outcome: Outcome, now: Moment) -> Case:
    """The case once the step is over; a service has to fall anew before the next one."""
    helped = {"helped": True, "unhelpful": False}.get(outcome.word)
    steps = tuple(
        replace(step, ended=now, helped=helped) if step.decision == outcome.decision else step for step in case.steps
    )
    case = replace(case, steps=steps)
    if case.target.container:
        case = replace(case, down=None, is_down=False)
    if decision.action == "remove from DNS" and helped:
        return replace(case, away=tuple(sorted({*case.away, *decision.names})))
    if decision.action == "return to DNS" and helped:
        return replace(case, away=tuple(name for name in case.away if name not in decision.names))
    return case


def _told(fleet: Fleet, outcome: Outcome, now: Moment) -> Fleet:
    helped = {"helped": True, "unhelpful": False}.get(outcome.word)
    found = tuple(
        replace(one, ended=now, helped=helped, successor=outcome.successor) if one.decision == outcome.decision else one
        for one in fleet.interventions
    )
    return replace(fleet, interventions=found)
