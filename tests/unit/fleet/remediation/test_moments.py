from __future__ import annotations

from datetime import timedelta

from fleet.remediation.moments import Moment, read_moment
from tests.unit.fleet.remediation.scenes import START


def test_a_clock_that_is_set_changes_no_age() -> None:
    later = START.later(60)
    assert Moment(later.utc + timedelta(minutes=10), later.monotonic, later.boot).since(START) == 60
    assert Moment(later.utc - timedelta(days=9), later.monotonic, later.boot).since(START) == 60


def test_across_a_reboot_the_wall_clock_tells_the_age() -> None:
    assert Moment(START.utc + timedelta(minutes=5), 3.0, "next").since(START) == 300


def test_nothing_is_younger_than_now() -> None:
    assert START.since(START.later(60)) == 0
    assert Moment(START.utc - timedelta(days=1), 3.0, "next").since(START) == 0


def test_what_an_agent_saw_is_told_as_an_age_so_its_own_clock_does_not_matter() -> None:
    assert START.since(START.earlier(12.5)) == 12.5
    assert START.earlier(12.5).utc == START.utc - timedelta(seconds=12.5)


def test_this_machine_has_a_clock_that_goes_on() -> None:
    first, second = read_moment(), read_moment()
    assert first.boot == second.boot != ""
    assert second.monotonic >= first.monotonic
