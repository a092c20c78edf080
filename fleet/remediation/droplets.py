"""The ladder of a droplet: out of DNS, power-cycle, replace; and back into DNS once it is well."""

from __future__ import annotations

from collections.abc import Sequence

from fleet.remediation import limits
from fleet.remediation.decision import Alert, Finding
from fleet.remediation.history import is_flapping, lasted
from fleet.remediation.ladder import Rung, climb, settling, under_way, used_up
from fleet.remediation.moments import Moment
from fleet.remediation.observations import DEAD, Observation, alive, answers, dead, is_off, says
from fleet.remediation.state import State


def consider(state: State, seen: Sequence[Observation], now: Moment) -> Finding:
    """What is to be done about a droplet."""
    busy = under_way(state, now)
    if busy:
        return busy
    if is_flapping(state.case, now):
        text = f"it changed more than {limits.FLAPPING} times in {limits.FLAPPING_WINDOW / 60:.0f} min"
        return Finding("hold", "flapping", text, conditions=(Alert("flapping", text),))
    if alive(seen):
        return _lives(state, seen, now)
    if len(dead(seen)) < limits.WITNESSES:
        return _doubtful(state, seen, now)
    if not state.case.is_down:
        count = state.case.down.count if state.case.down else 0
        return Finding("none", "confirming", f"dead in {count} of {limits.FALL} rounds: {_told(seen)}")
    return _dead(state, seen, now)


def _lives(state: State, seen: Sequence[Observation], now: Moment) -> Finding:
    case = state.case
    if case.away and _serves_again(state, seen):
        rungs = [Rung("return to DNS", "it is well again", names=case.away)]
        return climb(rungs, state, seen, now) or Finding("none", "healthy", "it is well")
    if not answers(seen):
        return _doubtful(state, seen, now)
    if case.is_down:
        return Finding("none", "confirming", f"it answers again: {', '.join(alive(seen))}")
    if lasted(case.ill, now) < limits.SILENCE:
        return Finding("none", "healthy" if case.ill is None else "confirming", f"it is alive: {_told(seen)}")
    return _ill(state, seen, now)


def _serves_again(state: State, seen: Sequence[Observation]) -> bool:
    """Whether it has risen, and its agent answers now that all is well enough to serve."""
    well = says(seen, "agent", "healthy") or says(seen, "agent", "degraded")
    return well and not state.case.is_down and not state.droplet.ill


def _ill(state: State, seen: Sequence[Observation], now: Moment) -> Finding:
    text = state.droplet.ill or _told(seen)
    conditions = (Alert("ill", text),)
    found = climb([Rung("restart agent", text)], state, seen, now, conditions) if state.droplet.ill else None
    return found or Finding("none", "ill", f"its agent answers: {text}", conditions=conditions)


def _doubtful(state: State, seen: Sequence[Observation], now: Moment) -> Finding:
    """Its agent is silent, perhaps; there are not enough witnesses that it is dead, or there is one that it lives."""
    silence = lasted(state.case.silent, now)
    living = alive(seen)
    if not seen or not (living or dead(seen)):
        return Finding("none", "unknown", f"nobody could look: {_told(seen) or 'there is no observation'}")
    told = f"{', '.join(living)} says that it is alive" if living else f"there is no second witness: {_told(seen)}"
    if silence < limits.SILENCE:
        return Finding("none", "doubt", told)
    text = f"its agent has been silent for {silence:.0f} s, and {told}"
    return Finding("none", "doubt", text, conditions=(Alert("silent", text),))


def _dead(state: State, seen: Sequence[Observation], now: Moment) -> Finding:
    leaving, last = _names(state, seen)
    why = f"it is dead: {_told(seen)}"
    conditions = [Alert("dead", why)]
    if last:
        conditions.append(Alert("last host", f"{', '.join(last)}: no other host serves, so the record stays"))
    rungs = _rungs(state, seen, now, leaving, why)
    found = climb(rungs, state, seen, now, tuple(conditions))
    return found or Finding("none", "spent", f"{why}. {used_up(rungs, state, now)}", conditions=tuple(conditions))


def _names(state: State, seen: Sequence[Observation]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names that leave the droplet, and those that stay because no other host serves them.

    A last host keeps its name: without a record visitors get an answer that is remembered for longer than the host
    may take to come back. Only the address of a droplet that does not exist any more may be a stranger's tomorrow.
    """
    gone = says(seen, "provider", "gone")
    there = [one for one in state.standings if one.name not in state.case.away]
    leaving = tuple(one.name for one in there if gone or one.others > 0)
    return leaving, tuple(one.name for one in there if not gone and one.others == 0)


def _rungs(
    state: State, seen: Sequence[Observation], now: Moment, leaving: tuple[str, ...], why: str
) -> tuple[Rung, ...]:
    waits = settling(state, now)
    known = is_off(seen) or says(seen, "provider", "on")
    unsure = "" if known else "the provider does not say whether it is on"
    hung = "agent" in dead(seen) and not is_off(seen)
    return (
        Rung("remove from DNS", why, skipped="" if leaving else "no name of it is served elsewhere", names=leaving),
        Rung("power-cycle", why, skipped="" if hung else "it is off, or its agent answers", waits=unsure or waits),
        Rung("replace", why, waits=unsure or waits),
    )


def _told(seen: Sequence[Observation]) -> str:
    """Who says what, for people; what says nothing about life is left out."""
    said = [one for one in seen if one.said in DEAD or one.detail]
    return "; ".join(f"{one.witness}: {one.said}{f' ({one.detail})' if one.detail else ''}" for one in said)
