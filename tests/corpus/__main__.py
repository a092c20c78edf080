"""`python -m tests.corpus` prints how well the agent tells errors from other lines, program by program."""

from __future__ import annotations

import sys

from tests.corpus import Score, programs, score, total


def main() -> int:
    """Prints a table, then each line that was read wrongly."""
    scores = [score(program) for program in programs()]
    print(f"{'program':16} {'lines':>6} {'errors':>6} {'precision':>9} {'recall':>6}")
    for one in [*scores, total(scores)]:
        print(_row(one))
    for one in scores:
        _print("took for an error", one.program, one.wrong)
        _print("missed", one.program, one.missed)
    return 0


def _row(one: Score) -> str:
    errors = one.right + len(one.missed)
    return f"{one.program:16} {one.lines:6} {errors:6} {one.precision:9.1%} {one.recall:6.1%}"


def _print(what: str, program: str, lines: tuple[str, ...]) -> None:
    for line in lines:
        print(f"{what} ({program}): {line[:120]}")


if __name__ == "__main__":
    sys.exit(main())
