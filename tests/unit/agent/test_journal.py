"""What the agent writes to the journal is one line a record, whoever's words are in it."""

from __future__ import annotations

import json
import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.journal import LONGEST_VALUE, JsonLines

WORDS = st.text() | st.sampled_from(
    ["\n", "a\r\n{}", "\x1b[2J", "\x9b1m", "\u2028", "\u0085", "\x7f", "\ud800", '"}\n{"']
)


def line(message: str, **fields: object) -> str:
    """A record as it is written."""
    record = logging.makeLogRecord({"name": "agent", "levelname": "INFO", "msg": "%s", "args": (message,)})
    record.fields = fields
    return JsonLines().format(record)


@given(WORDS, WORDS)
def test_whatever_somebody_wrote_is_one_line_that_no_terminal_obeys_and_is_read_back_as_it_was(
    message: str, reason: str
) -> None:
    written = line(message, reason=reason)
    assert set(written) <= set(map(chr, range(0x20, 0x7F)))
    found = json.loads(written)
    assert (found["message"], found["reason"], found["logger"]) == (message, reason, "agent")


@pytest.mark.parametrize("length", [LONGEST_VALUE, LONGEST_VALUE + 1, 1 << 20])
def test_a_long_text_is_bounded_with_both_of_its_ends(length: int) -> None:
    found = json.loads(line("x" * (length - 2) + "yz", count=7))
    assert len(found["message"]) <= LONGEST_VALUE + 30
    assert found["message"].startswith("xx")
    assert found["message"].endswith("yz")
    assert (" more … " in found["message"]) == (length > LONGEST_VALUE)
    assert found["count"] == 7


def test_a_stack_is_part_of_its_records_line() -> None:
    try:
        raise ValueError("a\nb")
    except ValueError:
        record = logging.makeLogRecord({"msg": "it failed", "exc_info": sys.exc_info()})
    written = JsonLines().format(record)
    assert "\n" not in written
    assert json.loads(written)["stack"].endswith("ValueError: a\nb")
