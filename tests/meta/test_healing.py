"""The page about healing says what the rules say."""

from __future__ import annotations

from pathlib import Path

from fleet.remediation.actions import NEEDS
from fleet.remediation.causes import CAUSES

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "healing.md").read_text()
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("|")]


def test_every_action_is_in_the_ladder_with_its_gates() -> None:
    told = {row[0].strip("`"): row[3] for row in ROWS if len(row) == 4 and row[0].startswith("`")}
    for action, gates in NEEDS.items():
        wanted = "all" if len(gates) == 7 else " ".join(gates) or "none"
        assert told[action] == wanted


def test_every_gate_has_its_row() -> None:
    assert [row[0].split()[0] for row in ROWS if row[0].startswith("G")] == [f"G{n}" for n in range(1, 8)]


def test_the_causes_are_in_the_order_in_which_they_are_looked_at() -> None:
    words = [rule.word for rule in CAUSES]
    assert [row[0] for row in ROWS if row[0] in words] == words
