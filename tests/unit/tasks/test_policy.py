from __future__ import annotations

from typing import Any

import pytest
from prefect import flow

from fleet.errors import HostsFailed, InvalidInput, RateLimited, TransientError
from tasks.policy import UNDER_WAY_SECONDS, gather, settle, step

pytestmark = pytest.mark.usefixtures("prefect")


class Calls:
    """A step that fails in a given way so many times, and counts."""

    def __init__(self, error: Exception, failures: int) -> None:
        self.error, self.failures, self.count = error, failures, 0

    def __call__(self) -> int:
        self.count += 1
        if self.count <= self.failures:
            raise self.error
        return self.count


def carried_out(calls: Calls) -> int:
    @step("try")
    def attempt() -> int:
        return calls()

    @flow
    def once() -> int:
        return attempt.with_options(retry_delay_seconds=0)()

    return once()


def test_a_transient_failure_is_tried_again() -> None:
    assert carried_out(Calls(TransientError("later"), failures=2)) == 3


def test_a_permanent_failure_costs_one_call() -> None:
    calls = Calls(InvalidInput("never"), failures=9)
    with pytest.raises(InvalidInput):
        carried_out(calls)
    assert calls.count == 1


def test_a_rate_limit_is_waited_out_and_tried_again() -> None:
    assert carried_out(Calls(RateLimited("slowly", retry_after=0.01), failures=1)) == 2


def test_a_fan_out_names_every_host_that_failed() -> None:
    @step("{host}: work", retries=0)
    def work(host: str) -> str:
        if host == "a":
            return "done"
        raise InvalidInput(f"{host} is full.")

    @flow
    def all_of_them() -> list[str]:
        return gather("Working", ["a", "b", "c"], work.map(["a", "b", "c"]))

    with pytest.raises(HostsFailed, match=r"Working failed on 2 of 3 droplets:\n  b: b is full.\n  c: c is full."):
        all_of_them()


def test_settling_gives_results_and_failures_by_host() -> None:
    @step("{host}: work", retries=0)
    def work(host: str) -> str:
        if host == "b":
            raise InvalidInput("full")
        return host.upper()

    @flow
    def all_of_them() -> tuple[dict[str, str], list[str]]:
        results, failures = settle(["a", "b"], work.map(["a", "b"]))
        return results, list(failures)

    assert all_of_them() == ({"a": "A"}, ["b"])


class UnderWay:
    """The future of a step that goes on when its run is told to end."""

    def __init__(self) -> None:
        self.waited: list[float] = []

    def result(self, raise_on_failure: bool) -> str:
        """Where the signal finds the run's main thread."""
        raise KeyboardInterrupt

    def wait(self, timeout: float) -> None:
        """Until it has ended."""
        self.waited.append(timeout)


def test_a_run_that_is_cancelled_waits_a_while_for_every_step_that_is_under_way() -> None:
    going: Any = [UnderWay(), UnderWay()]
    with pytest.raises(KeyboardInterrupt):
        settle(["a", "b"], going)
    assert [len(one.waited) for one in going] == [1, 1]
    assert all(0 < seconds <= UNDER_WAY_SECONDS for one in going for seconds in one.waited)
