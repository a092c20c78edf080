"""Flows without Prefect's engine: the same functions, called one after the other, with the same retries.

A flow is its function, and a step too; what was submitted happens when the first result is asked for, in the order of
the plan or backwards, and every delay is a moment of `Time`. Nothing else of a run is left out: the locks, the reports
and the errors are those of the product.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from inspect import signature
from itertools import count
from types import SimpleNamespace
from typing import Any

from prefect import Flow, Task, unmapped

from tests.histories.times import Time

SILENT = logging.Logger("histories", logging.CRITICAL + 1)


class Runs:
    """All runs of a test, of which one goes on at a time."""

    def __init__(self, time: Time) -> None:
        self.time = time
        self.backwards = False
        """Whether what happens at once happens in the order opposite to the plan's."""
        self.artifacts: dict[str, str] = {}
        """The latest text by its key."""
        self.now = SimpleNamespace(id="", name="")
        """Stands in for `prefect.runtime.flow_run`."""
        self.told: KeyboardInterrupt | None = None
        """A signal that reached the run's process while its main thread waited for a step on another one."""
        self._numbers = count(1)
        self._waiting: list[Promise] = []

    def begin(self) -> None:
        """Numbers and names are the same for every fleet."""
        self._numbers = count(1)
        self.artifacts.clear()

    def seed(self, _bytes: int) -> str:
        """Twelve hex digits that no other plan has; in the place of random ones, so that a history can be repeated."""
        return hashlib.sha256(self.now.id.encode()).hexdigest()[:12]

    def call(self, flow: Flow[..., Any], args: Any, kwargs: Any) -> Any:
        """A flow, from its beginning to its end; when it is killed, nothing of it is left.

        A run that sleeps meanwhile, on another controller, goes on afterwards as it was.
        """
        asleep = (self.now.id, self.now.name, self._waiting, self.time.renewals)
        number = next(self._numbers)
        self.now.id, self.now.name = f"run-{number}", _named(flow, args, kwargs)
        self._waiting, self.time.renewals = [], []
        try:
            return flow.fn(*args, **kwargs)
        finally:
            self.now.id, self.now.name, self._waiting, self.time.renewals = asleep

    def attempt(self, step: Task[..., Any], args: Any, kwargs: Any) -> Any:
        """A step, tried again as its policy says."""
        for number in count(1):
            try:
                return step.fn(*args, **kwargs)
            except Exception as error:
                if number > step.retries or not self._may_help(step, number, error):
                    raise
            self.time.sleep(_delay(step.retry_delay_seconds, number))
        raise AssertionError

    def submit(self, step: Task[..., Any], args: Any, kwargs: Any) -> Promise:
        """A step that happens with others."""
        made = Promise(self, lambda: self.attempt(step, args, kwargs))
        self._waiting.append(made)
        return made

    def map(self, step: Task[..., Any], args: Iterable[Any]) -> list[Promise]:
        """A step for each of the items, which happens with the others."""
        given = list(args)
        length = next(len(one) for one in given if not isinstance(one, unmapped))
        rows = [[one.value if isinstance(one, unmapped) else one[row] for one in given] for row in range(length)]
        return [self.submit(step, [_known(one) for one in row], {}) for row in rows]

    def settle(self) -> None:
        """All that waits happens."""
        due, self._waiting = self._waiting, []
        order = list(reversed(due)) if self.backwards else due
        for number, one in enumerate(order, 1):
            one.happen()
            if signal := self.told:
                self.told = None
                self._waiting = [one for one in due if one in order[number:]]  # their threads go on
                raise signal

    def publish(self, markdown: str, key: str, description: str) -> None:
        """Stands in for Prefect's artifacts."""
        self.artifacts[key] = markdown

    @staticmethod
    def _may_help(step: Task[..., Any], number: int, error: Exception) -> bool:
        state: Any = SimpleNamespace(result=lambda raise_on_failure=False: error)
        run: Any = SimpleNamespace(run_count=number)
        return step.retry_condition_fn is None or bool(step.retry_condition_fn(step, run, state))


class Promise:
    """The result of a step that has been submitted."""

    def __init__(self, runs: Runs, call: Callable[[], Any]) -> None:
        self._runs, self._call = runs, call
        self._outcome: Any = None

    def happen(self) -> None:
        """The step, now; a failure is its outcome. A signal does not reach its thread: there it goes on."""
        try:
            self._outcome = self._call()
        except KeyboardInterrupt as signal:
            self._runs.told = signal
            self.happen()
        except Exception as error:  # as in Prefect, whoever asks for the result is told
            self._outcome = error

    def wait(self, timeout: float) -> None:
        """Until it has happened."""
        self._runs.settle()

    def result(self, raise_on_failure: bool = True) -> Any:
        """What came of it."""
        self._runs.settle()
        if raise_on_failure and isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome


class AtOnce:
    """Stands in for a pool of threads: what it is given happens right away."""

    def __init__(self, *_: object) -> None: ...

    def __enter__(self) -> AtOnce:
        return self

    def __exit__(self, *_: object) -> None: ...

    def map(self, call: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        """The results in order."""
        return [call(item) for item in items]

    def submit(self, call: Callable[..., Any], *args: Any) -> Future[Any]:
        """A future that has its outcome, also where that is the death of an agent."""
        made: Future[Any] = Future()
        try:
            made.set_result(call(*args))
        except BaseException as error:
            made.set_exception(error)
        return made


async def right_away(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Stands in for the thread in which a framework calls what may block."""
    return call(*args, **kwargs)


class Renewals:
    """Stands in for the thread that renews the locks of a run."""

    def __init__(self, runs: Runs, target: Any) -> None:
        self._renewals, self._renew = runs.time.renewals, target.__self__.renew

    def start(self) -> None:
        """From now on."""
        self._renewals.append(self._renew)

    def join(self, _seconds: float) -> None:
        """No more."""
        self._renewals.remove(self._renew)


def _named(flow: Flow[..., Any], args: Any, kwargs: Any) -> str:
    """What Prefect calls a run of the flow."""
    name = flow.flow_run_name
    given = signature(flow.fn).bind(*args, **kwargs)
    given.apply_defaults()
    return name.format(**given.arguments) if isinstance(name, str) else flow.name


def _delay(delays: Any, number: int) -> float:
    return float(delays[min(number, len(delays)) - 1] if isinstance(delays, list) else delays or 0)


def _known(value: Any) -> Any:
    return value.result() if isinstance(value, Promise) else value
