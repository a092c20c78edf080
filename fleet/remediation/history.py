"""What is remembered of a target after a round has looked at it: spells, whether it fell or rose, and its changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fleet.remediation import limits
from fleet.remediation.moments import Moment
from fleet.remediation.observations import Observation, alive, answers, dead, is_off, says
from fleet.remediation.state import Case, Spell


def fold(case: Case, seen: Sequence[Observation], now: Moment, is_wide: bool = False) -> Case:
    """The case after these observations; what was counted in an earlier round is not counted again.

    `unknown` neither goes on with a spell nor ends it: a gap does. While too many droplets are in trouble at once
    (`is_wide`), that nothing is seen of one says nothing about it, and is as good as unknown.
    """
    looked = _fold_service(case, seen) if case.target.container else _fold_droplet(case, seen, now, is_wide)
    return _ease(_forget(looked, now), now)


def grow(spell: Spell | None, at: Moment) -> Spell:
    """The spell with what was seen at this time; a new one after a gap."""
    if spell is None or at.since(spell.last) > limits.GAP:
        return Spell(at, at)
    return Spell(spell.since, at, spell.count + 1)


def lasted(spell: Spell | None, now: Moment) -> float:
    """Seconds for which it has gone on until now; none when it was not seen of late."""
    return now.since(spell.since) if spell and now.since(spell.last) <= limits.GAP else 0.0


def is_flapping(case: Case, now: Moment) -> bool:
    """Whether it changes too often for anything to be done about it."""
    return sum(now.since(at) <= limits.FLAPPING_WINDOW for at in case.changes) > limits.FLAPPING


def _fold_service(case: Case, seen: Sequence[Observation]) -> Case:
    """A service is judged on its droplet, where no probe is lost on its way: each change of the verdict counts."""
    for one in (one for one in seen if one.witness == "agent"):
        if case.seen is not None and case.seen.boot == one.at.boot and one.at.monotonic <= case.seen.monotonic:
            continue
        if one.said == "unhealthy" and not _starts(case, one):
            case = _fall(case, one.at)
        elif one.said in ("healthy", "degraded"):
            case = _rise(case, one.at)
        case = replace(case, seen=one.at)
    missed = [one.at for one in seen if one.witness == "edge" and one.said in ("silent", "unhealthy")]
    if case.up and missed:
        return replace(case, ill=grow(case.ill, missed[-1]))
    return replace(case, ill=None) if case.down or "edge" in alive(seen) else case


def _starts(case: Case, one: Observation) -> bool:
    """Whether it may still be starting, so that a failure means nothing."""
    facts = case.service
    return facts is not None and facts.started is not None and one.at.since(facts.started) < facts.grace


def _fall(case: Case, at: Moment) -> Case:
    down = grow(case.down, at)
    changes = (*case.changes, at) if case.up else case.changes
    return replace(case, up=None, down=down, is_down=case.is_down or down.count >= limits.FALL, changes=changes)


def _rise(case: Case, at: Moment) -> Case:
    up = grow(case.up, at)
    changes = (*case.changes, at) if case.down else case.changes
    return replace(case, up=up, down=None, is_down=case.is_down and up.count < limits.RISE, changes=changes)


def _fold_droplet(case: Case, seen: Sequence[Observation], now: Moment, is_wide: bool) -> Case:
    """A droplet is seen over networks that lose probes: it changes when it is confirmed to have fallen or risen."""
    if is_wide and not alive(seen):
        return case
    case = replace(
        case,
        silent=None if answers(seen) else case.silent if is_wide else _silence(case, seen, now),
        ill=grow(case.ill, now) if _is_ill(case, seen) else None if answers(seen) else case.ill,
    )
    if alive(seen):
        up = grow(case.up, now)
        back = case.is_down and up.count >= limits.RISE
        return _settle(replace(case, up=up, down=None), case.is_down and not back, now)
    if len(dead(seen)) < limits.WITNESSES:
        return case
    down = grow(case.down, now)
    sure = case.is_down or is_off(seen) or down.count >= limits.FALL
    return _settle(replace(case, up=None, down=down), sure, now)


def _silence(case: Case, seen: Sequence[Observation], now: Moment) -> Spell | None:
    return grow(case.silent, now) if says(seen, "agent", "silent") else case.silent


def _is_ill(case: Case, seen: Sequence[Observation]) -> bool:
    """Whether the agent answers, and says that the droplet or the agent itself is not as it should be."""
    troubled = any(one.witness == "agent" and one.said in ("degraded", "unhealthy") for one in seen)
    return troubled or bool(case.droplet and case.droplet.ill and answers(seen))


def _settle(case: Case, is_down: bool, now: Moment) -> Case:
    changes = (*case.changes, now) if is_down != case.is_down else case.changes
    return replace(case, is_down=is_down, changes=changes) if is_down != case.is_down else case


def _forget(case: Case, now: Moment) -> Case:
    """Without what no rule asks for any more."""
    if not (case.changes or case.steps):
        return case
    changes = tuple(at for at in case.changes if now.since(at) <= limits.FLAPPING_WINDOW)[-limits.CHANGES :]
    steps = tuple(step for step in case.steps if now.since(step.at) <= limits.DAY)
    return replace(case, changes=changes, steps=steps)


def _ease(case: Case, now: Moment) -> Case:
    """A hold ends once the target has been well for a while, or a new release runs."""
    well = case.up is not None and now.since(case.up.last) <= limits.GAP
    if case.up and well and case.up.last.since(case.up.since) >= limits.STEADY:
        return replace(case, hold=None, steady=case.up.last)
    renewed = case.hold and case.service and case.service.release != case.hold.release
    return replace(case, hold=None) if renewed else case
