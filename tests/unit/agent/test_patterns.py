"""Patterns to ignore: what they match is what Python's regular expressions match, and no pattern makes a check slow."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from agent import wire
from agent.server.patterns import WORK, Ignore
from fleet import logs
from fleet.errors import InvalidInput

PATTERNS = TypeAdapter(wire.LogRules)
ATOMS = [*"abc01 ", r"\d", r"\w", r"\s", r"\D", r"\.", r"\[", ".", "[ab]", "[^a]", "[0-9x]", r"[\d\-]"]
LETTERS = st.sampled_from(ATOMS)
PIECES = st.builds(str.__add__, LETTERS, st.sampled_from(["", "", "*", "+", "?"]))
RUNS = st.lists(PIECES, min_size=1, max_size=4).map("".join)
GROUPS = st.builds("({}){}".format, st.lists(RUNS, min_size=1, max_size=3).map("|".join), st.sampled_from(["", *"*+?"]))
BRANCHES = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "^"]),
    st.lists(RUNS | GROUPS, min_size=1, max_size=4).map("".join),
    st.sampled_from(["", "$"]),
)
WHOLE = st.lists(BRANCHES, min_size=1, max_size=3).map("|".join).filter(lambda text: len(text) <= logs.PATTERN_LIMIT)
LINES = st.text(st.sampled_from("abc019 .[-é٣"), max_size=12)


@given(WHOLE, LINES)
def test_a_pattern_matches_what_pythons_own_expressions_match(pattern: str, line: str) -> None:
    assert PATTERNS.validate_python({"ignore": [pattern]}).ignore == (pattern,)
    assert Ignore((pattern,))(line) == (re.search(pattern, line) is not None)


@given(st.lists(WHOLE, max_size=3), LINES)
def test_several_patterns_match_what_any_of_them_matches(patterns: list[str], line: str) -> None:
    assert Ignore(tuple(patterns))(line) == any(re.search(one, line) for one in patterns)


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        ("(a+)+$", "a" * 500 + "!"),
        ("(a|aa)*b", "a" * 500),
        ("(a*b*c*d*)*x", "abcd" * 120),
        (".*.*.*.*.*=.*", "x" * 1000),
        (r"^(\w+\s?)*$", "word " * 200 + "!"),
    ],
)
def test_patterns_that_are_known_to_be_slow_take_no_more_steps_than_there_are_letters_and_places(
    pattern: str, line: str
) -> None:
    ignore = Ignore((pattern,), work=20 * len(line))
    assert not ignore(line)
    assert not ignore.spent


def test_twenty_patterns_over_ten_thousand_long_lines_stay_within_the_work_of_one_check() -> None:
    ignore = Ignore(tuple(f"(a|b)*{number:02d}.*x(c|d)*y" for number in range(20)))
    lines = [f"{number} " + "ab01xcd" * 200 for number in range(10_000)]
    assert not any(ignore(line) for line in lines)
    assert ignore.spent, f"after {WORK} steps it stops"


def test_a_check_whose_work_is_spent_matches_nothing_any_more() -> None:
    ignore = Ignore(("timed out",), work=5)
    assert ignore("timed out")
    assert ignore.spent
    assert not ignore("timed out")


REFUSED = ["", "a{3}", "a**", "((a))", r"\bword", "(?=a)", r"(a)\1", "[a", "(a", "a)", "a|", "[]", "a\nb", "x" * 201]


@pytest.mark.parametrize("pattern", REFUSED)
def test_what_is_no_pattern_of_the_kind_is_refused_by_both_ends(pattern: str) -> None:
    with pytest.raises(ValidationError):
        PATTERNS.validate_python({"ignore": [pattern]})
    with pytest.raises(InvalidInput, match="cannot be a pattern to ignore"):
        logs.check_pattern(pattern)


@given(WHOLE)
def test_both_ends_accept_the_same(pattern: str) -> None:
    assert re.fullmatch(logs.PATTERN, pattern)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [("a*", "'a*' would ignore every error."), ("x|.*", "would ignore every error"), ("[z-a]", "bad character range")],
)
def test_a_pattern_that_would_ignore_everything_or_means_nothing_is_refused(pattern: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(said)):
        logs.check_pattern(pattern)


def test_so_many_patterns_and_errors_as_nobody_needs_are_refused() -> None:
    with pytest.raises(InvalidInput, match="the number of patterns to ignore"):
        logs.LogRules(("a",) * 21)
    with pytest.raises(InvalidInput, match="the number of errors that count"):
        logs.LogRules(min_errors=0)
