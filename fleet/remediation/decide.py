"""From what is remembered and what was seen to what is done: pure, cheap, and the same for the same input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fleet.remediation import limits, overview
from fleet.remediation.actions import Action
from fleet.remediation.budgets import budgets, spend
from fleet.remediation.decision import Alert, Decision, Finding
from fleet.remediation.droplets import consider as consider_droplet
from fleet.remediation.gates import Question, breaker, gates, self_test_failures
from fleet.remediation.history import fold
from fleet.remediation.moments import Moment
from fleet.remediation.observations import Observation, newest
from fleet.remediation.services import consider as consider_service
from fleet.remediation.state import FLEET, Case, Hold, Spell, State


def decide(state: State, observations: Sequence[Observation], now: Moment) -> Decision:
    """What is done about the state's target.

    Args:
        state: what is remembered of the target, and what holds for the whole fleet in this round.
        observations: what was seen of the target since the last round; older ones do no harm.
        now: when the round was, on the clocks that the observations were stamped by.
    """
    seen = newest(observations, now)
    if state.target == FLEET:
        state = replace(state, case=overview.fold(state.case, state.fleet, now))
        found = overview.consider(state, now)
    else:
        state = replace(state, case=fold(state.case, seen, now, not breaker(state.fleet)[1]))
        found = consider_service(state, seen, now) if state.target.container else consider_droplet(state, seen, now)
        found = _hush(found, state)
    return _write(found, state, seen, now)


def _hush(found: Finding, state: State) -> Finding:
    """Where the trouble is the controller's or everybody's, nothing new is told of single targets."""
    wide = self_test_failures(state.fleet.self_test) or not breaker(state.fleet)[1]
    if not wide and found.because not in ("unknown", "under way", "doubt", "confirming"):
        return found
    here = {one.kind for one in found.conditions}
    kept = tuple(Alert(kind, "") for kind in state.case.told if kind not in here)
    told = tuple(one for one in found.conditions if not wide or one.kind in state.case.told)
    return replace(found, conditions=(*told, *kept))


def _write(found: Finding, state: State, seen: Sequence[Observation], now: Moment) -> Decision:
    """The finding in full; gates and budgets are not looked at for a target of which there is nothing to say."""
    in_force = tuple(one.kind for one in found.conditions)
    alerts = tuple(one for one in found.conditions if one.kind not in state.case.told)
    decision = Decision(
        target=state.target,
        action=_action(found, alerts),
        considered=found.considered,
        because=found.because,
        reason=found.reason,
        case=state.case,
        names=found.names,
        release=_release(state) if found.considered == "rollback" else "",
        alerts=alerts,
        cleared=tuple(kind for kind in state.case.told if kind not in in_force),
    )
    phrase = _phrase(decision)
    decision = replace(decision, case=_remember(decision, phrase, in_force, now))
    if not (phrase or decision.alerts or decision.cleared):
        return decision
    drawn = budgets(state, found.considered, now)
    asked = gates(Question(state, seen, found.considered, now))
    return replace(decision, gates=asked, budgets=drawn if found.because else spend(drawn))


def _action(found: Finding, alerts: tuple[Alert, ...]) -> Action:
    if found.considered in ("hold", "suspend"):
        return found.considered
    if found.considered != "none" and not found.because:
        return found.considered
    return "alert" if alerts else "none"


def _release(state: State) -> str:
    deploy = state.service.deploy
    return (deploy.last_good if deploy else None) or ""


def _remember(decision: Decision, phrase: str, in_force: tuple[str, ...], now: Moment) -> Case:
    case, hold = decision.case, decision.case.hold
    if decision.action == "hold" and decision.because == "spent" and hold is None:
        hold = Hold(now, decision.reason, case.service.release if case.service else "")
    if (case.told, case.hold, case.last) == (in_force, hold, phrase):
        return case
    return replace(case, told=in_force, hold=hold, last=phrase)


def _phrase(decision: Decision) -> str:
    """The decision in words that are the same for as long as it is; empty when there is nothing to it."""
    case = decision.case
    spells = (case.down, case.silent, case.ill)
    serious = case.is_down or any(_is_long(spell) for spell in spells) or decision.considered != "none"
    if not (serious or decision.alerts or decision.case.told):
        return ""
    return f"{decision.considered} {decision.because}" if decision.because else f"{decision.action} begins"


def _is_long(spell: Spell | None) -> bool:
    return spell is not None and spell.count >= limits.FALL
