"""Which lines match any of a service's patterns, in time that grows with the line alone, whatever the pattern.

The patterns are a part of Python's regular expressions (`wire.IGNORE` says which). They are matched by following all
ways through them at once: nothing is ever tried again, so no pattern and no line can make a check slow. What is done
is counted, and a check that has done too much stops, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeVar

LONGEST: Final = 1024
"""So many characters of a line are looked at."""
WORK: Final = 500_000
"""Steps that one check may take: well under a second."""
_REMEMBERED: Final = 5000
_KINDS: Final[dict[str, Callable[[str], bool]]] = {
    "d": str.isdecimal,
    "w": lambda letter: letter.isalnum() or letter == "_",
    "s": str.isspace,
}

Test = Callable[[str], bool]
K = TypeVar("K")


class Ignore:
    """The patterns of one service, for one check.

    Args:
        patterns: each as `wire.IGNORE` has it; a line that contains any of them matches.
        work: how many steps all calls together may take.
    """

    def __init__(self, patterns: tuple[str, ...], work: int = WORK) -> None:
        self._machine = _machine(patterns) if patterns else None
        self._left = work

    @property
    def spent(self) -> bool:
        """The work is used up: nothing matches any more."""
        return self._left <= 0

    def __call__(self, line: str) -> bool:
        """Whether the line matches."""
        if self._machine is None or self.spent:
            return False
        found, steps = self._machine.search(line[:LONGEST])
        self._left -= steps
        return found


@dataclass(frozen=True)
class _Part:
    """A piece of a pattern: the places at which it may begin and end, as bits, and whether it may be empty."""

    first: int
    last: int
    empty: bool

    def __or__(self, other: _Part) -> _Part:
        """Either."""
        return _Part(self.first | other.first, self.last | other.last, self.empty or other.empty)


_NOTHING: Final = _Part(0, 0, empty=True)


class _Machine:
    """All patterns at once: every letter that they name is a place, and a set of places is a number."""

    def __init__(self) -> None:
        self._tests: list[Test] = []
        self._after: list[int] = []
        self._begins = self._begins_anywhere = self._ends = self._ends_anywhere = 0
        self._always = self._when_empty = False
        self._fitting: dict[str, int] = {}
        self._next: dict[int, int] = {}

    def place(self, test: Test) -> _Part:
        """A new place, for letters that pass the test."""
        self._tests.append(test)
        self._after.append(0)
        bit = 1 << (len(self._tests) - 1)
        return _Part(bit, bit, empty=False)

    def link(self, one: _Part, other: _Part) -> None:
        """After the end of one part the other may begin."""
        for place in _bits(one.last):
            self._after[place] |= other.first

    def add(self, branch: _Part, *, from_start: bool, to_end: bool) -> None:
        """A whole branch of a pattern."""
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


@lru_cache(maxsize=64)
def _machine(patterns: tuple[str, ...]) -> _Machine:
    machine = _Machine()
    for pattern in patterns:
        _Reader(pattern, machine).read()
    return machine


class _Reader:
    """Reads a pattern, which has the shape of `wire.IGNORE`, into a machine."""

    def __init__(self, text: str, machine: _Machine) -> None:
        self._text, self._at, self._machine = text, 0, machine

    def read(self) -> None:
        """All its branches."""
        while True:
            from_start = self._take("^")
            branch = self._sequence()
            self._machine.add(branch, from_start=from_start, to_end=self._take("$"))
            if not self._take("|"):
                return

    def _sequence(self) -> _Part:
        whole = _NOTHING
        while self._at < len(self._text) and self._text[self._at] not in "|)$":
            part = self._repeated(self._group() if self._take("(") else self._machine.place(self._letter()))
            self._machine.link(whole, part)
            whole = _Part(
                whole.first | (part.first if whole.empty else 0),
                part.last | (whole.last if part.empty else 0),
                whole.empty and part.empty,
            )
        return whole

    def _group(self) -> _Part:
        found = self._sequence()
        while self._take("|"):
            found |= self._sequence()
        self._take(")")
        return found

    def _repeated(self, part: _Part) -> _Part:
        if self._take("?"):
            return _Part(part.first, part.last, empty=True)
        if self._take("*") or self._take("+"):
            self._machine.link(part, part)
            return _Part(part.first, part.last, part.empty or self._text[self._at - 1] == "*")
        return part

    def _letter(self) -> Test:
        letter = self._next()
        if letter == ".":
            return lambda seen: seen != "\n"
        if letter == "[":
            return self._class()
        return _escaped(self._next()) if letter == "\\" else letter.__eq__

    def _class(self) -> Test:
        wanted, tests = not self._take("^"), list[Test]()
        while not self._take("]"):
            letter = self._next()
            if letter == "\\":
                tests.append(_escaped(self._next()))
            elif self._take("-"):
                tests.append(_between(letter, self._next()))
            else:
                tests.append(letter.__eq__)
        return lambda seen: any(test(seen) for test in tests) is wanted

    def _next(self) -> str:
        self._at += 1
        return self._text[self._at - 1]

    def _take(self, letter: str) -> bool:
        found = self._text[self._at : self._at + 1] == letter
        self._at += found
        return found


def _escaped(letter: str) -> Test:
    if letter.lower() not in _KINDS:
        return letter.__eq__
    test = _KINDS[letter.lower()]
    return test if letter.islower() else lambda seen: not test(seen)


def _between(one: str, other: str) -> Test:
    return lambda seen: one <= seen <= other
