"""Logs that real programs wrote, each line labelled by hand, and how well the agent's classifier reads them.

A line is `E|` when it is the one with which an error begins, else `.|`: what follows an error, such as its stack
trace, is a part of it. A line that only a person could know to be an error is labelled as one all the same, and counts
as missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent.server import levels

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Score:
    """What the classifier found in the log of one program, against the labels."""

    program: str
    lines: int
    right: int
    """Errors that it found."""
    wrong: tuple[str, ...]
    """What it took for an error."""
    missed: tuple[str, ...]

    @property
    def precision(self) -> float:
        """Of what it called an error, how much is one."""
        found = self.right + len(self.wrong)
        return self.right / found if found else 1.0

    @property
    def recall(self) -> float:
        """Of all errors, how many it called so."""
        there = self.right + len(self.missed)
        return self.right / there if there else 1.0


def programs() -> list[str]:
    """Whose logs are here."""
    return sorted(one.stem for one in _FOLDER.glob("*.log"))


def score(program: str) -> Score:
    """Read the log of one program as the agent would."""
    labelled = [line.partition("|") for line in (_FOLDER / f"{program}.log").read_text().splitlines()]
    lines = [Numbered(text, number) for number, (_, _, text) in enumerate(labelled)]
    found = {line.number for line in levels.errors(lines) if isinstance(line, Numbered)}
    there = {number for number, (label, _, _) in enumerate(labelled) if label == "E"}
    wrong, missed = (tuple(lines[one] for one in sorted(some)) for some in (found - there, there - found))
    return Score(program, len(lines), len(found & there), wrong, missed)


def total(scores: list[Score]) -> Score:
    """All of them as one."""
    wrong, missed = (tuple(line for one in scores for line in part(one)) for part in (_wrong, _missed))
    return Score("all", sum(one.lines for one in scores), sum(one.right for one in scores), wrong, missed)


class Numbered(str):
    """A line that knows its place, since the same text may be there twice."""

    __slots__ = ("number",)

    number: int

    def __new__(cls, text: str, number: int) -> Numbered:
        """The line with this number."""
        made = super().__new__(cls, text)
        made.number = number
        return made


def _wrong(one: Score) -> tuple[str, ...]:
    return one.wrong


def _missed(one: Score) -> tuple[str, ...]:
    return one.missed
