"""Who was how when, and what is news."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from fleet.state import VerdictWord
from tasks.health import history
from tasks.health.history import Change, History, Span
from tests.unit.tasks.health.scenes import MINUTE, NAME, NOW, subject

WORDS: tuple[VerdictWord, ...] = ("healthy", "degraded", "unhealthy", "unknown")


def lived(*words: VerdictWord, step: timedelta = MINUTE, known: History | None = None) -> tuple[History, list[Change]]:
    """A history of one container with a round each minute, and all changes on the way."""
    seen, news = known or History(), list[Change]()
    for number, word in enumerate(words):
        seen, changes = seen.follow([subject(word)], NOW + step * number)
        news += changes
    return seen, news


def spans(seen: History) -> list[Span]:
    """Those of the container."""
    return list(seen.pasts[subject().key].spans)


def test_rounds_with_one_verdict_are_one_span_and_no_news() -> None:
    seen, news = lived("healthy", "healthy", "healthy")
    assert spans(seen) == [Span("healthy", "it is healthy", NOW, NOW + 2 * MINUTE)]
    assert news == []
    assert seen.since(subject().key) == NOW


def test_a_change_is_news_once_and_says_what_was_and_since_when() -> None:
    seen, news = lived("healthy", "unhealthy", "unhealthy", "healthy", "healthy")
    assert [(one.was, one.subject.verdict, one.at - NOW, one.since) for one in news] == [
        ("healthy", "unhealthy", MINUTE, NOW),
        ("unhealthy", "healthy", 3 * MINUTE, NOW + MINUTE),
    ]
    assert seen.since(subject().key) == NOW + 3 * MINUTE


def test_what_is_seen_for_the_first_time_is_news_only_when_it_is_not_well() -> None:
    assert lived("healthy")[1] == []
    (change,) = lived("degraded")[1]
    assert (change.was, change.since) == (None, None)


def test_the_same_round_again_changes_nothing_and_is_no_news() -> None:
    once, _ = lived("healthy", "unhealthy")
    again, changes = once.follow([subject("unhealthy")], NOW + MINUTE)
    assert (again, changes) == (once, ())


def test_a_change_that_is_told_again_after_a_kill_has_the_same_id_and_the_next_one_another() -> None:
    known, _ = lived("healthy")
    first = known.follow([subject("unhealthy")], NOW + MINUTE)[1][0]
    again = known.follow([subject("unhealthy")], NOW + 2 * MINUTE)[1][0]
    assert first.id == again.id
    later = lived("healthy", "unhealthy", "healthy", "unhealthy")[1]
    assert len({one.id for one in later}) == 3


def test_where_nobody_looked_is_a_hole_and_the_verdict_counts_from_before_it() -> None:
    seen, news = lived("degraded", "degraded", step=timedelta(minutes=30))
    assert len(spans(seen)) == 2
    assert seen.since(subject().key) == NOW
    assert len(news) == 1, "it was degraded already"


def test_a_subject_that_is_gone_is_forgotten_after_a_day() -> None:
    seen, _ = lived("healthy")
    other = subject(name="other")
    day, _ = seen.follow([other], NOW + history.KEPT)
    assert set(day.pasts) == {subject().key, other.key}
    after, _ = day.follow([other], NOW + history.KEPT + MINUTE)
    assert set(after.pasts) == {other.key}


def test_what_does_not_serve_is_not_followed() -> None:
    seen, changes = History().follow([subject("unhealthy", role="candidate")], NOW)
    assert (seen, changes) == (History(), ())


def test_a_history_is_bounded_in_spans_and_in_subjects() -> None:
    seen, _ = lived(*WORDS[:2] * 150)
    assert len(spans(seen)) == history.MOST_SPANS
    many = [subject(name=f"{NAME}-{number}") for number in range(history.MOST_SUBJECTS + 5)]
    assert len(seen.follow(many, NOW + timedelta(hours=6))[0].pasts) == history.MOST_SUBJECTS


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=30))
def test_news_are_exactly_the_rounds_in_which_the_verdict_differs_from_the_one_before(words: list[VerdictWord]) -> None:
    _, news = lived(*words)
    pairs = zip(["healthy", *words], words, strict=False)
    assert len(news) == sum(before != after for before, after in pairs)
