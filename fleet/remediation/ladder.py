"""Climbing a ladder: the first rung that applies and has a budget is taken, if nothing is against it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fleet.remediation import limits
from fleet.remediation.actions import CHANGING, Action
from fleet.remediation.budgets import budgets
from fleet.remediation.decision import Alert, Finding
from fleet.remediation.gates import Question, gates
from fleet.remediation.moments import Moment
from fleet.remediation.observations import Observation
from fleet.remediation.state import State


@dataclass(frozen=True, slots=True)
class Rung:
    """One action of a ladder, as it stands for a target at a time."""

    action: Action
    why: str
    """Why it would be done."""
    skipped: str = ""
    """Why it does not apply at all: the next one is looked at."""
    waits: str = ""
    """What is waited for: nothing is done until then."""
    names: tuple[str, ...] = ()


def climb(
    rungs: Iterable[Rung], state: State, seen: Sequence[Observation], now: Moment, conditions: tuple[Alert, ...] = ()
) -> Finding | None:
    """What the first rung that applies comes to; None: none is left."""
    for rung in rungs:
        spent = [str(one) for one in budgets(state, rung.action, now) if not one.left]
        if rung.skipped or spent:
            continue
        blocked = [gate for gate in gates(Question(state, seen, rung.action, now)) if gate.blocks]
        if blocked:
            told = "; ".join(f"{gate.name} {gate.title}: {gate.reason}" for gate in blocked)
            return Finding(rung.action, "+".join(gate.name for gate in blocked), told, rung.names, conditions)
        if rung.waits:
            return Finding(rung.action, "waiting", rung.waits, rung.names, conditions)
        return Finding(rung.action, "", rung.why, rung.names, conditions)
    return None


def used_up(rungs: Iterable[Rung], state: State, now: Moment) -> str:
    """Why no rung is left, in words."""
    told = []
    for rung in rungs:
        spent = [str(one) for one in budgets(state, rung.action, now) if not one.left]
        told.append(f"{rung.action}: {rung.skipped or '; '.join(spent)}")
    return ". ".join(told)


def under_way(state: State, now: Moment) -> Finding | None:
    """That an earlier step has not ended yet, if so."""
    running = [step for step in state.case.steps if step.runs(now)]
    if not running:
        return None
    told = ", ".join(f"{step.action} since {now.since(step.at):.0f} s" for step in running)
    return Finding("none", "under way", f"a step is under way: {told}")


def settling(state: State, now: Moment) -> str:
    """What is waited for after a change, in words; empty: it is long enough ago."""
    deploy = state.service.deploy
    steps = [step.ended or step.at for step in state.case.steps if step.action in CHANGING]
    own = [one.at for one in state.fleet.interventions if state.target.droplet == one.successor]
    told = [state.service.changed, state.droplet.changed, deploy.at if deploy else None, *steps, *own]
    ago = min((now.since(at) for at in told if at), default=limits.SETTLING)
    return f"it changed {ago:.0f} s ago and is given {limits.SETTLING:.0f} s" if ago < limits.SETTLING else ""
