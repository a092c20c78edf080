"""Which lines match any of a service's patterns, in time that grows with the line alone, whatever the pattern.

The patterns are a part of Python's regular expressions (`wire.IGNORE` says which). They are matched by following all
ways through them at once: nothing is ever tried again, so no pattern and no line can make a check slow. What is done
is counted, and a check that has done too much stops, and says so.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from agent.server.automaton import NOTHING, Machine, Part, Test

LONGEST: Final = 1024
"""So many characters of a line are looked at."""
WORK: Final = 500_000
"""Steps that one check may take: well under a second."""
_KINDS: Final[dict[str, Test]] = {
    "d": str.isdecimal,
    "w": lambda letter: letter.isalnum() or letter == "_",
    "s": str.isspace,
}


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


@lru_cache(maxsize=16)
def _machine(patterns: tuple[str, ...]) -> Machine:
    machine = Machine()
    for pattern in patterns:
        _Reader(pattern, machine).read()
    return machine


class _Reader:
    """Reads a pattern, which has the shape of `wire.IGNORE`, into a machine."""

    def __init__(self, text: str, machine: Machine) -> None:
        self._text, self._at, self._machine = text, 0, machine

    def read(self) -> None:
        """All its branches."""
        while True:
            from_start = self._take("^")
            branch = self._sequence()
            self._machine.add(branch, from_start=from_start, to_end=self._take("$"))
            if not self._take("|"):
                return

    def _sequence(self) -> Part:
        whole = NOTHING
        while self._at < len(self._text) and self._text[self._at] not in "|)$":
            part = self._repeated(self._group() if self._take("(") else self._machine.place(self._letter()))
            self._machine.link(whole, part)
            whole = Part(
                whole.first | (part.first if whole.empty else 0),
                part.last | (whole.last if part.empty else 0),
                whole.empty and part.empty,
            )
        return whole

    def _group(self) -> Part:
        found = self._sequence()
        while self._take("|"):
            found |= self._sequence()
        self._take(")")
        return found

    def _repeated(self, part: Part) -> Part:
        if self._take("?"):
            return Part(part.first, part.last, empty=True)
        if self._take("*") or self._take("+"):
            self._machine.link(part, part)
            return Part(part.first, part.last, part.empty or self._text[self._at - 1] == "*")
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
