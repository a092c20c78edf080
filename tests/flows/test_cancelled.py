"""A roll and a build of a snapshot that are cancelled at each of their changes: nothing is lost, nothing stays over.

What deploys, rollbacks, undeploys and maintenance do then: `tests/histories/test_walks.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from blocks.service import Service
from flows.build_snapshot import build_snapshot
from flows.deploy import deploy
from flows.roll import roll
from tests.fakes.shell import FakeShell
from tests.flows.fleet_of_fakes import DOMAIN, Fleet
from tests.flows.test_build_snapshot import bases, nothing_is_left, states
from tests.flows.test_roll import check_rolled, target
from tests.histories.lane import Lane, open_lane
from tests.histories.trouble import Cancel, suffering

NAME = "shop-custom"
LEASE_SECONDS = 60.0
MOST = 100


@pytest.fixture
def lane() -> Iterator[Lane]:
    """The fast lane, for many fleets one after the other."""
    with open_lane() as opened:
        yield opened


def cancelled_everywhere(
    lane: Lane,
    folder: Path,
    prepare: Callable[[Fleet], None],
    run: Callable[[Fleet], None],
    between: Callable[[Fleet], None],
    end: Callable[[Fleet], None],
) -> int:
    """Cancels a run at its first change, looks, and runs it again; then at the second, each time in a new fleet.

    Gives at how many changes it was cancelled.
    """
    for number in count(1):
        with lane.open(_new(folder / str(number))) as fleet:
            prepare(fleet)
            cancelled = _cancel(lane, fleet, run, number)
            between(fleet)
            if not cancelled:
                end(fleet)
                return number - 1
            lane.time.sleep(LEASE_SECONDS)
            run(fleet)
            end(fleet)
        assert number < MOST
    raise AssertionError


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _cancel(lane: Lane, fleet: Fleet, run: Callable[[Fleet], None], number: int) -> bool:
    """Whether the run ended because it was cancelled."""
    try:
        with suffering(Cancel(number), lane):
            run(fleet)
    except KeyboardInterrupt:
        return True
    return False


def test_a_roll_loses_no_visitor_and_is_finished_by_the_next(
    lane: Lane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: list[Service] = []
    monkeypatch.setattr("tasks.rolls.list_services", lambda _: known)
    release = ""

    def prepare(fleet: Fleet) -> None:
        nonlocal release
        known[:] = [fleet.service(replicas=1)]
        deploy(known[0])
        (release,) = fleet.serving

    def between(fleet: Fleet) -> None:
        assert {status for status, _ in fleet.visit(DOMAIN)} == {200}
        assert fleet.serving == {release}

    cancelled = cancelled_everywhere(
        lane,
        tmp_path,
        prepare,
        lambda fleet: roll(fleet.environment(), target(fleet)),
        between,
        lambda fleet: check_rolled(fleet, target(fleet), release, replicas=1),
    )
    assert cancelled >= 10


@pytest.mark.parametrize("kind", ["base", "custom"])
def test_a_build_offers_no_half_snapshot_and_is_finished_by_the_next(
    lane: Lane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("tasks.bake.shell.connect", lambda *_: FakeShell())
    monkeypatch.setattr("tasks.bake.sealing.answers", lambda *_: False)
    kept: list[bool] = []

    def run(fleet: Fleet) -> None:
        if kind == "base":
            build_snapshot(fleet.environment(), NAME, "base")
        else:
            build_snapshot(fleet.environment(), NAME, "custom", bases(fleet), str(fleet.context))

    def between(fleet: Fleet) -> None:
        assert states(fleet) in ([], ["foreign"], ["unproven"], ["ready"]), "half of one is nobody's, or not proven"
        kept.append(not nothing_is_left(fleet))

    def end(fleet: Fleet) -> None:
        assert states(fleet) == ["ready"]
        assert nothing_is_left(fleet)

    cancelled = cancelled_everywhere(lane, tmp_path, lambda _: None, run, between, end)
    assert cancelled >= 10
    assert kept.count(True) <= 4, "only what was being removed when the run was cancelled stays for the next one"
