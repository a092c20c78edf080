"""The page about security names tests that there are, and says what no test proves."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| T")]
NAMED = re.compile(r"`(tests/[a-z0-9_/]+\.py)::(test_\w+)`")
DASH = "\N{EN DASH}"
THREATS = [f"T{number}" for number in range(1, 31)]


@cache
def names_in(path: str) -> frozenset[str]:
    """The names of a module's tests."""
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_every_threat_has_its_row_with_an_answer() -> None:
    assert [row[0].split()[0] for row in ROWS] == THREATS
    assert [row[0] for row in ROWS if len(row) != 4 or len(row[1]) < 10] == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].split()[0])
def test_a_row_names_tests_that_there_are_or_says_what_remains(row: list[str]) -> None:
    named = NAMED.findall(row[2])
    assert row[2] == ("<br>".join(f"`{path}::{name}`" for path, name in named) or DASH)
    assert [f"{path}::{name}" for path, name in named if name not in names_in(path)] == []
    assert named or row[3].endswith("."), "what no test proves is said in a sentence"


def test_what_remains_is_a_sentence_or_a_dash() -> None:
    assert [row[0] for row in ROWS if row[3] != DASH and not re.fullmatch(r"[A-Z`].*\.", row[3])] == []
