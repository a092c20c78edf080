"""The page about drills says what the drills do."""

from __future__ import annotations

from pathlib import Path

from fleet.drills import FAULTS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "drills.md").read_text()
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| `")]
"""Of the table of faults, which comes first, and of what was measured."""


def test_every_fault_has_its_row() -> None:
    assert [(row[0].strip("`"), row[1], row[2]) for row in ROWS[: len(FAULTS)]] == [
        (name, kind.does, kind.undone) for name, kind in FAULTS.items()
    ]
