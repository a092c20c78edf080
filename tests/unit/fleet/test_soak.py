"""Whether a release does worse than the one before: only where chance is no explanation, and never at once twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.soak import AGAIN, REQUESTS, TRIES, Sight, Soak, Step, Traffic, advance, faults

OLD, NEW, NEWER = "20261124t010000-aaaaaa", "20261124t021500-bbbbbb", "20261124t022000-cccccc"
NOW = datetime(2026, 11, 24, 2, 16, tzinfo=UTC)
WELL = Traffic(10_000, 20, 300.0)
BAD = Traffic(1000, 400, 30.0)
NONE = Traffic()
MINUTES = 10


def sight(new: Traffic = NONE, *serving: str, restarts: int = 0, before: str = OLD) -> Sight:
    """The droplets, which serve the new release after the old one, unless it is said otherwise."""
    return Sight(frozenset(serving or [NEW]), frozenset({before} - {""}), {NEW: new, OLD: WELL}, restarts)


def after(minutes: float) -> datetime:
    """So much later."""
    return NOW + timedelta(minutes=minutes)


def begun() -> Soak:
    """The soak of the new release at its first look."""
    soak = advance(None, sight(), MINUTES, NOW).soak
    assert soak is not None
    return soak


@pytest.mark.parametrize(
    ("new", "before", "restarts", "found"),
    [
        (Traffic(10, 10, 1.0), WELL, 0, ()),
        (Traffic(REQUESTS - 1, REQUESTS - 1, 1.0), WELL, 0, ()),
        (Traffic(100, 1, 3.0), WELL, 0, ()),
        (Traffic(100, 5, 3.0), WELL, 0, ("5.0 % of 100 answers are errors; before: 0.2 % of 10000",)),
        (Traffic(100_000, 900, 3000.0), WELL, 0, ()),
        (Traffic(1000, 300, 30.0), Traffic(1000, 300, 30.0), 0, ()),
        (Traffic(1000, 100, 30.0), Traffic(), 0, ("10.0 % of 1000 answers are errors, and there is too little to ",)),
        (Traffic(1000, 40, 30.0), Traffic(), 0, ()),
        (Traffic(499, 0, 1000.0), WELL, 0, ()),
        (Traffic(1000, 0, 500.0), WELL, 0, ("an answer takes 0.50 s on average; before: 0.03 s",)),
        (Traffic(1000, 0, 100.0), WELL, 0, ()),
        (Traffic(1000, 0, 30_000.0), Traffic(1000, 0, 20_000.0), 0, ()),
        (Traffic(), WELL, 1, ()),
        (Traffic(), WELL, 2, ("a container restarted 2 times",)),
    ],
    ids=[
        "ten requests decide nothing, whatever they were",
        "a hundred are needed",
        "one error may be chance",
        "five of a hundred are not, where there were hardly any",
        "less than a hundredth more does not matter, however sure it is",
        "as bad as before is no worse",
        "alone, a tenth is too much",
        "alone, a twenty-fifth is not",
        "five hundred are needed to say that it is slow",
        "many times slower",
        "slower by less than a tenth of a second",
        "half as slow again as what was slow",
        "one restart is none",
        "two are one too many",
    ],
)
def test_a_release_is_worse(new: Traffic, before: Traffic, restarts: int, found: tuple[str, ...]) -> None:
    told = faults(new, before, restarts)
    assert len(told) == len(found)
    assert all(one.startswith(begins) for one, begins in zip(told, found, strict=True))


def test_a_release_that_turns_bad_is_taken_back_at_once_and_only_once() -> None:
    step = advance(begun(), sight(BAD), MINUTES, after(1))
    assert step.roll_back
    assert step.soak is not None
    assert (step.soak.word, step.soak.before) == ("bad", OLD)
    assert advance(step.soak, sight(BAD), MINUTES, after(2)) == Step(step.soak)


def test_while_droplets_serve_different_releases_nothing_is_judged() -> None:
    assert advance(begun(), sight(BAD, NEW, OLD), MINUTES, after(1)) == Step(begun())


def test_once_the_old_release_serves_again_the_soak_is_over_and_the_old_one_is_not_soaked() -> None:
    bad = advance(begun(), sight(BAD), MINUTES, after(1)).soak
    back = advance(bad, sight(BAD, OLD, before=NEW), MINUTES, after(2)).soak
    assert back is not None
    assert back.word == "back"
    step = advance(back, sight(BAD, OLD, before=NEW), MINUTES, after(3))
    assert step.soak is not None
    assert (step.soak.word, step.roll_back) == ("not soaked", False)


def test_a_newer_deploy_begins_a_soak_of_its_own() -> None:
    bad = advance(begun(), sight(BAD), MINUTES, after(1)).soak
    step = advance(bad, sight(BAD, NEWER, before=NEW), MINUTES, after(5))
    assert step.soak == Soak(NEWER, NEW, after(5))


def test_a_rollback_that_does_not_come_about_is_tried_three_times_and_then_told() -> None:
    soak, now, began = begun(), after(1), 0
    words = []
    for _ in range(3 * TRIES):
        step = advance(soak, sight(BAD), MINUTES, now)
        assert step.soak is not None
        soak, began, now = step.soak, began + step.roll_back, now + AGAIN / 2
        words.append(soak.word)
    assert (began, words[-1]) == (TRIES, "given up")


def test_a_rollback_that_was_cut_off_in_its_middle_is_tried_again() -> None:
    bad = advance(begun(), sight(BAD), MINUTES, after(1)).soak
    assert advance(bad, sight(BAD, NEW, OLD), MINUTES, after(1) + AGAIN).roll_back


def test_a_release_that_is_no_worse_until_its_time_is_over_has_passed() -> None:
    well = sight(Traffic(5000, 10, 150.0))
    assert advance(begun(), well, MINUTES, after(MINUTES - 0.1)) == Step(begun())
    step = advance(begun(), well, MINUTES, after(MINUTES))
    assert step.soak is not None
    assert step.soak.word == "passed"
    assert "5000 requests, 0.20 % errors, 30 ms on average; before: 10000 requests" in step.soak.why
    assert advance(step.soak, sight(BAD), MINUTES, after(MINUTES + 1)) == Step(step.soak), "what comes later is not its"


def test_too_few_requests_pass_and_say_so() -> None:
    step = advance(begun(), sight(Traffic(10, 10, 0.1)), MINUTES, after(MINUTES))
    assert step.soak is not None
    assert (step.soak.word, step.roll_back) == ("passed", False)
    assert step.soak.why.startswith("too few requests to compare: ")


@pytest.mark.parametrize("before", ["", NEWER])
def test_without_an_older_release_there_is_nothing_to_go_back_to(before: str) -> None:
    step = advance(None, sight(BAD, before=before), MINUTES, NOW)
    assert step.soak is not None
    assert (step.soak.word, step.roll_back) == ("not soaked", False)


def test_a_release_that_has_long_served_when_it_is_first_seen_is_not_soaked() -> None:
    step = advance(None, sight(BAD), MINUTES, after(60))
    assert step.soak is not None
    assert (step.soak.word, step.roll_back) == ("not soaked", False)


counts = st.builds(
    lambda requests, share, mean: Traffic(requests, round(requests * share), requests * mean),
    st.integers(0, 100_000),
    st.floats(0, 1),
    st.floats(0, 10),
)


@given(counts, counts)
def test_no_release_is_worse_than_itself_and_of_two_at_most_one_is(one: Traffic, other: Traffic) -> None:
    assert faults(one, one, 0) == () or one.requests < REQUESTS
    if min(one.requests, other.requests) >= REQUESTS:
        told, back = faults(one, other, 0), faults(other, one, 0)
        assert not any("errors" in first and "errors" in second for first in told for second in back)


@given(st.integers(0, REQUESTS - 1), st.floats(0, 1), counts, st.floats(0, 100))
def test_fewer_requests_than_a_hundred_never_take_a_release_back(
    requests: int, share: float, before: Traffic, seconds: float
) -> None:
    assert faults(Traffic(requests, round(requests * share), seconds), before, 0) == ()


@given(counts, counts, st.floats(0, 0.5))
def test_fewer_errors_are_never_worse(new: Traffic, before: Traffic, less: float) -> None:
    better = replace(new, errors=round(new.errors * less))
    if not any("errors" in one for one in faults(new, before, 0)):
        assert not any("errors" in one for one in faults(better, before, 0))


@given(st.lists(st.tuples(st.sampled_from([OLD, NEW]), counts, st.integers(0, 300)), max_size=30))
def test_in_any_history_at_most_three_rollbacks_of_a_release_are_begun(
    history: list[tuple[str, Traffic, int]],
) -> None:
    soak, now, began = begun(), NOW, dict[str, int]()
    for serving, traffic, minutes in history:
        now += timedelta(minutes=minutes)
        step = advance(soak, sight(traffic, serving, before=OLD if serving == NEW else NEW), MINUTES, now)
        assert step.soak is not None
        soak = step.soak
        began[soak.release] = began.get(soak.release, 0) + step.roll_back
    assert set(began) <= {OLD, NEW}
    assert began.get(OLD, 0) == 0
    assert began.get(NEW, 0) <= TRIES
