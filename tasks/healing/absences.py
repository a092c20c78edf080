"""Droplets that are remembered and that the provider does not list any more.

A list may be late, so each is asked for by its own id. And most of them are gone because somebody removed them: only
one that records of ours still lead to, or that was taken out of DNS because it was dead, was not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from blocks.environment import Environment
from fleet.errors import DeployerError
from fleet.remediation import limits
from fleet.remediation.moments import Moment
from fleet.remediation.rounds import Memory, Sighting
from fleet.remediation.state import Case, Target
from tasks.healing import sightings
from tasks.healing.looks import Look
from tasks.healing.surroundings import Surroundings


def look(
    memory: Memory,
    seen: Iterable[Look],
    around: Mapping[str, Surroundings],
    environments: Sequence[Environment],
    unlisted: Collection[str],
    now: Moment,
) -> list[Target]:
    """The droplets that the provider says do not exist, and that nobody has removed."""
    listed = {one.droplet.id for one in seen}
    blocks = {one.title(): one for one in environments}
    missed = [one for one in memory.cases.values() if _is_missed(one, listed, around, unlisted, now)]
    return [one.target for one in missed if _is_gone(one.target, blocks[_title(one.target)])]


def sight(missing: Iterable[Target], around: Mapping[str, Surroundings], memory: Memory, at: Moment) -> list[Sighting]:
    """What is to be said of them."""
    cases = {one.key: memory.cases.get(one.key) for one in missing}
    found = [(one, cases[one.key]) for one in missing]
    return [
        sighting
        for target, case in found
        for sighting in sightings.gone(target, around[_title(target)], case.droplet if case else None, at)
    ]


def _is_missed(
    case: Case, listed: Collection[int], around: Mapping[str, Surroundings], unlisted: Collection[str], now: Moment
) -> bool:
    """Nobody waits for one that was dead for a day: it would count as silent for ever."""
    if case.down and now.since(case.down.since) > limits.DAY:
        return False
    target, title = case.target, _title(case.target)
    if target.container or not target.droplet or target.droplet in listed or title in unlisted or title not in around:
        return False
    return bool(case.away or around[title].of(target.name))


def _is_gone(target: Target, environment: Environment) -> bool:
    try:
        return environment.digitalocean.client().droplets.read(target.droplet) is None
    except DeployerError:
        return False


def _title(target: Target) -> str:
    """The environment that a droplet's name says."""
    return target.name.rpartition("-")[0]
