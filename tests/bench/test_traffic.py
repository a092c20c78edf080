"""What `make bench-traffic` makes of its figures: without its load it says nothing."""

from __future__ import annotations

from collections import Counter
from typing import Any, cast

import pytest

from tests.bench.traffic import show, wrong
from tests.bench.visits import RATE, Counts, Load
from tests.e2e.lab import Lab

SECONDS = 30.0


def phase(**changes: Any) -> Counts:
    """A phase in which all went well, but for these changes."""
    begun = Counter(short=int(RATE * SECONDS), slow=30, upload=30, socket=6)
    given = {"expected": 2, "leaves": True, "seconds": SECONDS, "begun": begun, "kinds": begun, "releases": {"a", "b"}}
    return Counts("deploy", **{**given, **changes})


def test_a_phase_under_its_load_with_nothing_lost_is_well() -> None:
    assert wrong([phase()]) == []
    assert show([phase()]) == 0


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"begun": Counter(short=int(0.94 * RATE * SECONDS))}, "5640 short requests were begun in 30 s, of 5700"),
        ({"begun": Counter(), "seconds": 0.0}, "0 short requests were begun in 0 s"),
        ({"kinds": Counter(short=6000, slow=30, socket=6)}, "no upload was answered"),
        ({"releases": {"a"}}, "1 releases were seen, not 2"),
        ({"kinds": Counter(short=6000, slow=30, upload=30)}, "no websocket was told to go"),
        ({"failures": ["short: TimeoutError()"]}, "short: TimeoutError()"),
    ],
)
def test_a_phase_is_not_well_when(changes: dict[str, Any], told: str) -> None:
    (line,) = wrong([phase(**changes)]) if "seconds" not in changes else wrong([phase(**changes)])[:1]
    assert line.startswith(f"deploy: {told}")
    assert show([phase(**changes)]) == 1


def test_a_load_that_ends_before_its_time_fails_the_bench() -> None:
    class Dying(Load):
        async def _main(self) -> None:
            raise OSError("too many open files")

    def measure() -> None:
        with Dying(cast(Lab, None)).running():
            """Nothing is asked."""

    with pytest.raises(RuntimeError, match="did not go on to the end") as caught:
        measure()
    assert isinstance(caught.value.__cause__, OSError)
