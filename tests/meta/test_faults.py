"""The page about faults has all fifty, each with tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "faults.md").read_text()
ROWS = {
    int(cells[0]): cells[1:]
    for line in PAGE.splitlines()
    if (cells := [cell.strip() for cell in line.strip("|").split("|")])[0].isdecimal()
}
INVARIANTS = re.findall(r"^\| (I\d+) \|", PAGE, re.MULTILINE)
FAULTS = range(1, 51)


@cache
def defined_in(path: str) -> set[str]:
    """The tests that a file has; none where there is no such file."""
    if not (ROOT / path).is_file():
        return set()
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_fault_has_one_row_with_all_its_cells() -> None:
    numbers = re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)
    assert numbers == [str(number) for number in FAULTS]
    assert [number for number, cells in ROWS.items() if len(cells) != 4 or not all(cells)] == []


@pytest.mark.parametrize("number", FAULTS)
def test_a_fault_names_tests_that_exist(number: int) -> None:
    named = ROWS[number][-1].split(", ")
    assert all(re.fullmatch(r"`tests/[a-z0-9_/]+\.py::test_\w+`", one) for one in named), named
    pairs = [one.strip("`").split("::") for one in named]
    assert [f"{path}::{name}" for path, name in pairs if name not in defined_in(path)] == []


def test_the_invariants_are_those_that_the_faults_keep() -> None:
    assert [f"I{number}" for number in range(1, 13)] == INVARIANTS
    assert {word for cells in ROWS.values() for word in cells[2].split()} == set(INVARIANTS)
