"""The ladder of a service on a droplet: restart, roll back a fresh deploy, recreate; then hold, and tell a person.

It climbs on the word of the droplet's own agent alone, which has connected to the container: never on log text
(`degraded`), and never on what the edge sees, which may be the trouble of anything in between.
"""

from __future__ import annotations

from collections.abc import Sequence

from fleet.remediation import limits
from fleet.remediation.budgets import budgets, wait_before_restart
from fleet.remediation.decision import Alert, Finding
from fleet.remediation.history import is_flapping, lasted
from fleet.remediation.ladder import Rung, climb, settling, under_way, used_up
from fleet.remediation.moments import Moment
from fleet.remediation.observations import Observation
from fleet.remediation.state import State


def consider(state: State, seen: Sequence[Observation], now: Moment) -> Finding:
    """What is to be done about a service on a droplet."""
    busy = under_way(state, now)
    if busy:
        return busy
    latest = next((one for one in reversed(seen) if one.witness == "agent"), None)
    if latest is None or latest.said not in ("healthy", "degraded", "unhealthy"):
        told = latest.detail if latest else ""
        return Finding("none", "unknown", f"nobody knows how it is{f': {told}' if told else ''}")
    if is_flapping(state.case, now):
        text = f"it changed more than {limits.FLAPPING} times in {limits.FLAPPING_WINDOW / 60:.0f} min"
        return Finding("hold", "flapping", text, conditions=(Alert("flapping", text),))
    if latest.said != "unhealthy":
        return _serves(state, latest, now)
    return _fails(state, seen, latest, now)


def _serves(state: State, latest: Observation, now: Moment) -> Finding:
    unseen = lasted(state.case.ill, now)
    if unseen >= limits.SILENCE:
        text = f"its droplet calls it {latest.said}, but the edge has not reached it for {unseen:.0f} s"
        return Finding("none", "outside", text, conditions=(Alert("outside", text),))
    return Finding("none", latest.said, f"it serves: {latest.detail or latest.said}")


def _fails(state: State, seen: Sequence[Observation], latest: Observation, now: Moment) -> Finding:
    case = state.case
    if not case.is_down:
        count = case.down.count if case.down else 0
        told = f"seen {count} of {limits.FALL} times in a row" if count else "it may still be starting"
        return Finding("none", "confirming", f"{told}: {latest.detail}")
    if state.service.kind == "scheduled":
        text = f"{latest.detail or 'it failed'}; a scheduled job is not run again by itself"
        return Finding("none", "scheduled", text, conditions=(Alert("failing", text),))
    if case.hold:
        held = Alert("held", case.hold.why)
        return Finding("none", "held", f"held since {case.hold.since.utc:%H:%M} UTC: {case.hold.why}", (), (held,))
    rungs = _rungs(state, latest.detail or "it does not serve", now)
    found = climb(rungs, state, seen, now)
    if found:
        return found
    text = f"{latest.detail or 'it does not serve'}; nothing is left to try. {used_up(rungs, state, now)}"
    return Finding("hold", "spent", text, conditions=(Alert("held", text),))


def _rungs(state: State, why: str, now: Moment) -> tuple[Rung, ...]:
    pause = wait_before_restart(state, now)
    undone = any(not one.left for one in budgets(state, "rollback", now))
    return (
        Rung("restart", why, waits=f"{pause:.0f} s until the next restart" if pause else ""),
        Rung("rollback", why, skipped=_no_way_back(state)),
        Rung("recreate", why, skipped="its deploy was rolled back" if undone else "", waits=settling(state, now)),
    )


def _no_way_back(state: State) -> str:
    """Why a rollback is not the answer; empty: it is."""
    deploy, down = state.service.deploy, state.case.down
    if deploy is None or deploy.release != state.service.release:
        return "it does not run the release of its last deploy"
    if deploy.last_good is None:
        return "there is no release to go back to"
    if down is None or down.since.since(deploy.at) > limits.FRESH_DEPLOY:
        return f"it fell more than {limits.FRESH_DEPLOY / 60:.0f} min after its deploy"
    return ""
