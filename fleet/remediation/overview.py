"""The fleet as a whole: whether the controller sees, whether there is too much trouble, whether replacements help."""

from __future__ import annotations

from dataclasses import replace

from fleet.remediation import limits
from fleet.remediation.decision import Alert, Finding
from fleet.remediation.gates import breaker, self_test_failures, unhelpful
from fleet.remediation.history import grow, lasted
from fleet.remediation.moments import Moment
from fleet.remediation.state import Case, Fleet, Spell, State


def fold(case: Case, fleet: Fleet, now: Moment) -> Case:
    """The fleet's case after this round: `down` while the controller is blind, `silent` while the breaker is open."""
    if self_test_failures(fleet.self_test):
        return replace(case, up=None, down=grow(case.down, now), is_down=True)
    if not breaker(fleet)[1]:
        return replace(case, up=None, down=None, silent=grow(case.silent, now), is_down=False)
    return replace(case, up=grow(case.up, now), down=None, silent=None, is_down=False)


def consider(state: State, now: Moment) -> Finding:
    """What is to be told about the fleet, and whether replacements are to be suspended."""
    fleet, case = state.fleet, state.case
    failed = self_test_failures(fleet.self_test)
    if failed:
        return _blind(case, failed)
    conditions = _suspension(fleet, now)
    if conditions and fleet.suspension is None:
        return Finding("suspend", "unhelpful", conditions[0].text, conditions=conditions)
    told, closed = breaker(fleet)
    if _lasts(case.silent) or ("breaker" in case.told and lasted(case.up, now) < limits.STEADY):
        conditions += (Alert("breaker", f"nothing is done about any droplet: {told}"),)
    return Finding("none", "healthy" if closed else "G3", told, conditions=conditions)


def _blind(case: Case, failed: list[str]) -> Finding:
    """One round is not told: a probe of the self-test may be lost like any other."""
    text = f"the controller cannot see, and does nothing: {'; '.join(failed)}"
    kept = tuple(Alert(kind, "") for kind in case.told if kind != "blind")
    blind = (Alert("blind", text),) if _lasts(case.down) else ()
    return Finding("none", "G1", text, conditions=(*kept, *blind))


def _suspension(fleet: Fleet, now: Moment) -> tuple[Alert, ...]:
    if fleet.suspension:
        return (Alert("suspended", fleet.suspension.why),)
    count = unhelpful(fleet, now)
    text = f"{count} replacements in 2 h did not become healthy: no more until a person says so"
    return (Alert("suspended", text),) if count >= limits.UNHELPFUL else ()


def _lasts(spell: Spell | None) -> bool:
    return spell is not None and spell.count >= limits.FALL
