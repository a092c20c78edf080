"""What is news: changes, each once, and the end only of what was told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet import notices
from fleet.notices import CALM, FORGOTTEN, OFTEN, SUBJECTS, WAITING, WINDOW, Change, Memory, delivered, due, note

NOW = datetime(2026, 11, 24, 2, 15, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)


def change(is_: str = "unhealthy", subject: str = "hello", event: str = "") -> Change:
    """That a subject is so now."""
    return Change(subject, "", is_, "because", NOW, event=event)


def told(*changes: Change) -> Memory:
    """The memory once these have been delivered."""
    return delivered(note(Memory(), changes, NOW), changes, NOW)


def waits(memory: Memory) -> tuple[Change, ...]:
    """What nobody was told of yet."""
    return tuple(one.change for one in memory.waiting)


def test_a_change_waits_until_it_has_been_delivered_and_is_then_no_news() -> None:
    waiting = note(Memory(), [change()], NOW)
    assert waits(waiting) == (change(),)
    assert waits(note(waiting, [], LATER)) == (change(),)
    assert waits(note(told(change()), [change()], LATER)) == ()


def test_another_word_is_news_and_so_is_the_end() -> None:
    assert waits(note(told(change()), [change("degraded")], LATER)) == (change("degraded"),)
    over = note(told(change()), [change("healthy")], LATER)
    assert waits(over) == (change("healthy"),)
    assert delivered(over, waits(over), LATER).told == {}, "and what is over is forgotten"


@pytest.mark.parametrize("word", sorted(notices.GOOD))
def test_the_end_of_what_nobody_was_told_of_is_no_news(word: str) -> None:
    assert waits(note(Memory(), [change(word)], NOW)) == ()
    assert waits(note(note(Memory(), [change()], NOW), [change(word)], LATER)) == ()


def test_of_a_subject_only_the_last_change_waits() -> None:
    waiting = note(note(Memory(), [change()], NOW), [change("degraded")], LATER)
    assert waits(waiting) == (change("degraded"),)


def test_what_comes_back_after_its_end_is_news_again() -> None:
    memory = told(change())
    memory = delivered(note(memory, [change("healthy")], LATER), [change("healthy")], LATER)
    assert waits(note(memory, [change()], LATER)) == (change(),)


def test_something_that_happens_is_told_once_for_each_time() -> None:
    first, second = change("restarted", event="1"), change("restarted", event="2")
    assert waits(note(told(first), [first], LATER)) == ()
    assert waits(note(told(first), [second], LATER)) == (second,)


def test_what_comes_while_a_message_is_on_its_way_still_waits() -> None:
    sent = waits(note(Memory(), [change()], NOW))
    meanwhile = note(note(Memory(), [change()], NOW), [change(subject="shop")], NOW)
    assert waits(delivered(meanwhile, sent, LATER)) == (change(subject="shop"),)


def test_a_trouble_that_was_not_heard_of_for_a_month_is_forgotten() -> None:
    assert waits(note(told(change()), [change()], NOW + FORGOTTEN)) == (change(),)


def test_the_memory_is_bounded() -> None:
    many = [change(subject=str(number)) for number in range(SUBJECTS + 50)]
    waiting = note(Memory(), many, NOW)
    assert waits(waiting) == tuple(many[-WAITING:])
    assert len(delivered(waiting, many, NOW).told) == SUBJECTS


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["healthy", "degraded", "unhealthy"])), max_size=30))
def test_no_two_messages_in_a_row_say_the_same_of_a_subject(history: list[tuple[str, str]]) -> None:
    memory, said = Memory(), dict[str, list[str]]()
    for subject, word in history:
        memory = note(memory, [change(word, subject)], NOW)
        for one in waits(memory):
            said.setdefault(one.subject, []).append(one.is_)
        memory = delivered(memory, waits(memory), NOW)
    for words in said.values():
        assert words[0] != "healthy"
        assert all(before != after for before, after in pairwise(words))


def test_of_what_flaps_four_messages_are_told_and_the_next_once_it_is_calm() -> None:
    memory, now, said = Memory(), NOW, list[str]()
    for minute in range(60):
        now = NOW + timedelta(minutes=minute)
        word = "unhealthy" if minute % 2 == 0 or minute >= 20 else "healthy"
        memory = note(memory, [change(word)], now)
        for one in due(memory, now):
            said.append(f"{minute} {one.is_}")
        memory = delivered(memory, due(memory, now), now)
    assert said == ["0 unhealthy", "1 healthy", "2 unhealthy", "3 healthy", "30 unhealthy"]
    assert len(said) == OFTEN + 1


@given(st.lists(st.sampled_from(["healthy", "degraded", "unhealthy"]), min_size=1, max_size=120))
def test_the_last_word_about_a_subject_is_told_at_last(words: list[str]) -> None:
    memory, now = Memory(), NOW
    for word in words:
        now += timedelta(minutes=1)
        memory = note(memory, [change(word)], now)
        memory = delivered(memory, due(memory, now), now)
    now += CALM
    memory = delivered(note(memory, [], now), due(memory, now), now)
    known = memory.told["hello"].word if "hello" in memory.told else "healthy"
    assert (known, memory.waiting) == (words[-1], ())
    assert len(note(memory, [], now + WINDOW).recent) == 0
