"""What is news: changes, each once, and the end only of what was told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet import notices
from fleet.notices import FORGOTTEN, SUBJECTS, WAITING, Change, Memory, delivered, note

NOW = datetime(2026, 11, 24, 2, 15, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)


def change(is_: str = "unhealthy", subject: str = "hello", event: str = "") -> Change:
    """That a subject is so now."""
    return Change(subject, "", is_, "because", NOW, event=event)


def told(*changes: Change) -> Memory:
    """The memory once these have been delivered."""
    return delivered(note(Memory(), changes, NOW), changes, NOW)


def test_a_change_waits_until_it_has_been_delivered_and_is_then_no_news() -> None:
    waiting = note(Memory(), [change()], NOW)
    assert waiting.waiting == (change(),)
    assert note(waiting, [], LATER).waiting == (change(),)
    assert note(told(change()), [change()], LATER).waiting == ()


def test_another_word_is_news_and_so_is_the_end() -> None:
    assert note(told(change()), [change("degraded")], LATER).waiting == (change("degraded"),)
    over = note(told(change()), [change("healthy")], LATER)
    assert over.waiting == (change("healthy"),)
    assert delivered(over, over.waiting, LATER) == Memory({}), "and what is over is forgotten"


@pytest.mark.parametrize("word", sorted(notices.GOOD))
def test_the_end_of_what_nobody_was_told_of_is_no_news(word: str) -> None:
    assert note(Memory(), [change(word)], NOW).waiting == ()
    assert note(note(Memory(), [change()], NOW), [change(word)], LATER).waiting == ()


def test_of_a_subject_only_the_last_change_waits() -> None:
    waiting = note(note(Memory(), [change()], NOW), [change("degraded")], LATER)
    assert waiting.waiting == (change("degraded"),)


def test_what_comes_back_after_its_end_is_news_again() -> None:
    memory = told(change())
    memory = delivered(note(memory, [change("healthy")], LATER), [change("healthy")], LATER)
    assert note(memory, [change()], LATER).waiting == (change(),)


def test_something_that_happens_is_told_once_for_each_time() -> None:
    first, second = change("restarted", event="1"), change("restarted", event="2")
    assert note(told(first), [first], LATER).waiting == ()
    assert note(told(first), [second], LATER).waiting == (second,)


def test_what_comes_while_a_message_is_on_its_way_still_waits() -> None:
    sent = note(Memory(), [change()], NOW).waiting
    meanwhile = note(note(Memory(), [change()], NOW), [change(subject="shop")], NOW)
    assert delivered(meanwhile, sent, LATER).waiting == (change(subject="shop"),)


def test_a_trouble_that_was_not_heard_of_for_a_month_is_forgotten() -> None:
    assert note(told(change()), [change()], NOW + FORGOTTEN).waiting == (change(),)


def test_the_memory_is_bounded() -> None:
    many = [change(subject=str(number)) for number in range(SUBJECTS + 50)]
    waiting = note(Memory(), many, NOW)
    assert waiting.waiting == tuple(many[-WAITING:])
    assert len(delivered(waiting, many, NOW).told) == SUBJECTS


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["healthy", "degraded", "unhealthy"])), max_size=30))
def test_no_two_messages_in_a_row_say_the_same_of_a_subject(history: list[tuple[str, str]]) -> None:
    memory, said = Memory(), dict[str, list[str]]()
    for subject, word in history:
        memory = note(memory, [change(word, subject)], NOW)
        for one in memory.waiting:
            said.setdefault(one.subject, []).append(one.is_)
        memory = delivered(memory, memory.waiting, NOW)
    for words in said.values():
        assert words[0] != "healthy"
        assert all(before != after for before, after in pairwise(words))
