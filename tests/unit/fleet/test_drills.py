"""What the looks of a drill say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.drills import STEADY, Look, Record, Seen, Times, kept, times
from fleet.state import VerdictWord

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def look(at: float, agent: VerdictWord = "healthy", edge: VerdictWord = "healthy") -> Look:
    """Two vantage points at one time."""
    return Look(at, (Seen("agent", agent, f"it is {agent}"), Seen("edge", edge, f"it is {edge}")))


def looks(words: str) -> list[Look]:
    """A look each second: `+` all is well, `-` the agent says that it is not, `?` it is silent, `e` the edge does."""
    kinds: dict[str, tuple[VerdictWord, VerdictWord]] = {
        "+": ("healthy", "healthy"),
        "~": ("degraded", "healthy"),
        "-": ("unhealthy", "healthy"),
        "?": ("unknown", "healthy"),
        "e": ("healthy", "unhealthy"),
    }
    return [look(float(at), *kinds[word]) for at, word in enumerate(words)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", Times()),
        ("+++", Times()),
        ("+~+~", Times()),
        ("++---+++", Times(2.0, "agent", "it is unhealthy", 5.0)),
        ("+?+++", Times(1.0, "agent", "it is unknown", 2.0)),
        ("+ee+++", Times(1.0, "edge", "it is unhealthy", 3.0)),
        ("+-++", Times(1.0, "agent", "it is unhealthy", None)),
        ("-+-+++", Times(0.0, "agent", "it is unhealthy", 3.0)),
        ("-++-++", Times(0.0, "agent", "it is unhealthy", None)),
        ("-++++-+++", Times(0.0, "agent", "it is unhealthy", 6.0)),
    ],
)
def test_it_is_noticed_with_the_first_bad_look_and_over_with_the_first_of_three_good_ones_after_the_last(
    words: str, expected: Times
) -> None:
    assert times(looks(words)) == expected


@given(st.text("+~-?e", max_size=40))
def test_nothing_recovers_before_it_was_noticed_nor_without_steady_looks(words: str) -> None:
    found = times(looks(words))
    assert (found.detected is None) == (not set(words) & set("-?e"))
    if found.recovered is not None:
        assert found.detected is not None
        assert found.recovered > found.detected
        assert words[-STEADY:].strip("+~") == ""


def record(number: int, **changes: object) -> Record:
    """The drill of that number."""
    facts = {"at": NOON + timedelta(minutes=number), "environment": "demo-prod", "droplet": "d", "fault": "nginx"}
    return Record(**{**facts, "seconds": 60, "times": Times(), **changes})  # type: ignore[arg-type]  # of several types


def test_the_latest_are_kept_oldest_first() -> None:
    assert [one.at.minute for one in kept([record(number) for number in (3, 1, 2)], 2)] == [2, 3]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "nobody noticed anything"),
        ({"times": Times(1.0, "agent", "", 9.0)}, "well again"),
        ({"times": Times(1.0, "agent", "")}, "not well again when the drill ended"),
        ({"times": Times(1.0, "agent", "", 9.0), "outcome": "the run did not end well: cancelled"}, "the run did"),
    ],
)
def test_a_record_says_in_words_what_came_of_it(changes: dict[str, object], told: str) -> None:
    assert record(1, **changes).told.startswith(told)
