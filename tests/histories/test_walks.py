"""A run that is killed, or cancelled, at each of its changes, one life for each: the next run always finishes it.

What must never be broken is looked at after each effect (`rules`); a run that is cancelled takes back what it has
changed, or has done all but its end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import pytest

from tests.histories.ending import begin
from tests.histories.lane import Lane
from tests.histories.life import Wanted
from tests.histories.operations import Deploy, Finish, Maintain, Operation, RollBack, Undeploy, Wait
from tests.histories.trouble import Cancel, Kill

ENDS: dict[type[Kill | Cancel], str] = {Kill: "killed", Cancel: "cancelled"}
MOST = 100
"""Changes of one run."""


@dataclass(frozen=True)
class Walk:
    """What is there, the run that is ended everywhere, and at how many changes at least that is tried."""

    begun: tuple[Operation, ...]
    run: Any
    changes: int
    parallel: bool = False
    """Whether something happens at once, so that either of two may have come first."""


def releases(name: str, contents: str, replicas: int = 1) -> tuple[Operation, ...]:
    """Releases that serve already."""
    return tuple(Deploy(Wanted(name, one, replicas)) for one in contents)


def next_deploy(name: str, replicas: int = 1) -> Deploy:
    """Of another content."""
    return Deploy(Wanted(name, "b", replicas))


DEPLOYS = {
    "the first deploy": Walk((), Deploy(Wanted(replicas=2)), 10, True),
    "the next deploy": Walk(releases("hello", "xa", 2), next_deploy("hello", 2), 10, True),
    "a deploy to more droplets": Walk(releases("hello", "a"), next_deploy("hello", 3), 15, True),
    "a deploy to fewer droplets": Walk(releases("hello", "a", 3), next_deploy("hello"), 10, True),
    "a deploy with a canary": Walk(releases("hello", "a", 2), replace(next_deploy("hello", 2), canary=True), 10),
    "a deploy of a port": Walk(releases("cache", "a"), next_deploy("cache"), 5),
    "a deploy of a worker": Walk(releases("crank", "a", 2), next_deploy("crank", 2), 8),
    "a deploy of an exclusive worker": Walk(releases("ticker", "a"), next_deploy("ticker"), 5),
    "a deploy of a service with a volume": Walk(releases("store", "a"), next_deploy("store"), 5),
    "a deploy of a scheduled service": Walk(releases("nightly", "a"), next_deploy("nightly"), 5),
}
OTHERS = {
    "a rollback": Walk(releases("hello", "ab", 2), RollBack(), 6, True),
    "a rollback of an exclusive worker": Walk(releases("ticker", "ab"), RollBack("ticker"), 3),
    "a rollback of a service with a volume": Walk(releases("store", "ab"), RollBack("store"), 3),
    "a maintenance page": Walk(releases("hello", "a", 2), Maintain(), 4, True),
    "an undeploy": Walk(releases("hello", "a", 2), Undeploy(destroy=True), 10, True),
}
EVERY = {**DEPLOYS, **OTHERS}
SEVERAL = {name: one for name, one in EVERY.items() if one.parallel}
BRIEF = {
    Kill: ("the next deploy", "a deploy to fewer droplets", "a deploy of an exclusive worker"),
    Cancel: ("the first deploy", "the next deploy", "a deploy of a port", "a rollback", "an undeploy"),
}
"""What every change is tried with; the rest takes minutes."""


def cases(walks: dict[str, Walk], end: type[Kill | Cancel]) -> list[Any]:
    """The walks as parameters of a test."""
    return [
        pytest.param(one, id=name, marks=() if name in BRIEF[end] else pytest.mark.long) for name, one in walks.items()
    ]


def walk(lane: Lane, one: Walk, end: Callable[[int], Kill | Cancel]) -> int:
    """Lives until a run has no change left at which it could end; gives at how many it did."""
    for number in count(1):
        with begin(lane) as life:
            for operation in (*one.begun, replace(one.run, trouble=end(number))):
                operation.happen(life)
            ended = life.ends[-1]
            if ended == "done":
                return number - 1
            assert ended == ENDS[type(end(number))], life.failure
            for operation in (Wait(2), replace(one.run, **_again(one.run)), Finish()):
                operation.happen(life)
            assert life.ends[-1] == "done", life.failure
        assert number < MOST
    raise AssertionError


def _again(run: Operation) -> dict[str, bool]:
    """The next run does what this one has not done, and the one after that nothing."""
    return {"again": True} if hasattr(run, "again") else {}


@pytest.mark.parametrize("one", cases(DEPLOYS, Kill))
def test_a_deploy_that_is_killed_at_any_change_is_finished_by_the_next(lane: Lane, one: Walk) -> None:
    assert walk(lane, one, Kill) >= one.changes


@pytest.mark.parametrize("one", cases(EVERY, Cancel))
def test_a_run_that_is_cancelled_at_any_change_takes_it_back_or_is_finished_by_the_next(lane: Lane, one: Walk) -> None:
    assert walk(lane, one, Cancel) >= one.changes


@pytest.mark.long
@pytest.mark.parametrize("end", ENDS, ids=ENDS.values())
@pytest.mark.parametrize("one", SEVERAL.values(), ids=SEVERAL)
def test_it_is_the_same_when_what_happens_at_once_happens_in_the_other_order(
    lane: Lane, one: Walk, end: type[Kill | Cancel]
) -> None:
    assert walk(lane, one, lambda number: end(number, backwards=True)) >= one.changes
