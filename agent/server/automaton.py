"""A machine that follows all ways through many patterns at once: it never tries anything twice.

Every letter that a pattern names is a place, and a set of places is the bits of a number (Glushkov's automaton). What
follows a set is worked out once and remembered. The steps are counted, so that whoever asks can stop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

_REMEMBERED: Final = 1000
"""Of each kind: about a MiB for the largest patterns there may be."""
Test = Callable[[str], bool]
"""Whether a letter fits."""
K = TypeVar("K")


@dataclass(frozen=True)
class Part:
    """A piece of a pattern: the places at which it may begin and end, as bits, and whether it may be empty."""

    first: int
    last: int
    empty: bool

    def __or__(self, other: Part) -> Part:
        """Either."""
        return Part(self.first | other.first, self.last | other.last, self.empty or other.empty)


NOTHING: Final = Part(0, 0, empty=True)
"""What comes before the first piece."""


class Machine:
    """All patterns at once: every letter that they name is a place, and a set of places is a number."""

    def __init__(self) -> None:
        self._tests: list[Test] = []
        self._after: list[int] = []
        self._begins = self._begins_anywhere = self._ends = self._ends_anywhere = 0
        self._always = self._when_empty = False
        self._fitting: dict[str, int] = {}
        self._next: dict[int, int] = {}

    def place(self, test: Test) -> Part:
        """A new place, for letters that pass the test."""
        self._tests.append(test)
        self._after.append(0)
        bit = 1 << (len(self._tests) - 1)
        return Part(bit, bit, empty=False)

    def link(self, one: Part, other: Part) -> None:
        """After the end of one part the other may begin."""
        for place in _bits(one.last):
            self._after[place] |= other.first

    def add(self, branch: Part, *, from_start: bool, to_end: bool) -> None:
        """A whole branch of a pattern, which may have to begin or end with the line."""
        self._begins |= branch.first
        self._begins_anywhere |= 0 if from_start else branch.first
        self._ends |= branch.last
        self._ends_anywhere |= 0 if to_end else branch.last
        self._when_empty |= branch.empty
        self._always |= branch.empty and not (from_start and to_end)

    def search(self, line: str) -> tuple[bool, int]:
        """Whether anything in the line matches, and in how many steps that was found."""
        if self._always or not line:
            return self._always or self._when_empty, 1
        steps, here, may = 0, 0, self._begins
        for letter in line:
            steps += 1
            here = may & self._fits(letter)
            if here & self._ends_anywhere:
                return True, steps
            may, cost = self._follow(here)
            steps += cost
        return bool(here & self._ends), steps

    def _fits(self, letter: str) -> int:
        found = self._fitting.get(letter)
        if found is None:
            found = sum(1 << place for place, test in enumerate(self._tests) if test(letter))
            _remember(self._fitting, letter, found)
        return found

    def _follow(self, here: int) -> tuple[int, int]:
        """Where to be next, and the work of finding it out."""
        known = self._next.get(here)
        if known is not None:
            return known, 0
        found, cost = self._begins_anywhere, 1
        for place in _bits(here):
            found |= self._after[place]
            cost += 1
        _remember(self._next, here, found)
        return found, cost


def _remember(table: dict[K, int], key: K, value: int) -> None:
    if len(table) >= _REMEMBERED:
        table.clear()
    table[key] = value


def _bits(number: int) -> Iterator[int]:
    while number:
        lowest = number & -number
        yield lowest.bit_length() - 1
        number ^= lowest
