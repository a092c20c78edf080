"""How a step behaves when it fails: retries, timeouts, tags, and how a fan-out reports its hosts.

Retries live here and nowhere else: adapters and clients call once and say whether trying again makes sense.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar, cast

from prefect import Task, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.exceptions import ExternalSignal
from prefect.futures import PrefectFuture
from prefect.tasks import exponential_backoff

from fleet.errors import DeployerError, HostsFailed, RateLimited, TransientError

P = ParamSpec("P")
R = TypeVar("R")

TRANSFER = "transfer"
"""The tag of steps that send images; its limit (`deployments.pools`) keeps the controller's uplink usable."""

SIGNALS = (ExternalSignal, KeyboardInterrupt)
"""How a run learns that it is cancelled: in its main thread, whatever goes on in the others."""
UNDER_WAY_SECONDS = 10.0
"""The longest that a run which is cancelled waits for its steps; half a minute after the signal its process is gone."""

RETRIES = 4
FIRST_DELAY_SECONDS = 2
LONGEST_PATIENCE_SECONDS = 120.0
"""A provider that asks for more patience than this is waited for this long only."""


class _NotTwice(logging.Filter):
    """Leaves out what Prefect says of every step: that its timeout cannot interrupt a thread.

    It is known, and no more than the second belt here: the first deadline is in the client that the step calls.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith("Timeout of %s seconds configured for this task")


logging.getLogger("prefect.task_runs").addFilter(_NotTwice())


def step(
    name: str, *tags: str, timeout: timedelta = timedelta(minutes=2), retries: int = RETRIES
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Makes a task of a function: named for people (`{host.droplet.name}: promote`), retried only when that may help.

    Args:
        name: the task run's name; fields in braces are filled in from the arguments.
        tags: queue it with others of the tag; each use costs up to 2.5 s (measured with 3.8.8), so hardly any has one.
        timeout: the second belt; the first deadline is in the client that the step calls.
        retries: how often a transient failure is tried again, after about 2, 4, 8 and 16 seconds.
    """

    return task(
        task_run_name=name,
        tags=tags,
        retries=retries,
        retry_delay_seconds=exponential_backoff(backoff_factor=FIRST_DELAY_SECONDS),
        retry_jitter_factor=0.5,
        retry_condition_fn=is_transient,
        timeout_seconds=timeout.total_seconds(),
        cache_policy=NO_CACHE,
    )


def is_transient(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Whether the failure may pass; waits out what a provider asked for, as Prefect's delays cannot depend on it."""
    error = state.result(raise_on_failure=False)
    if isinstance(error, RateLimited):
        get_run_logger().warning("%s Waiting %.0f s as asked.", error.message, error.retry_after)
        time.sleep(min(error.retry_after, LONGEST_PATIENCE_SECONDS))
    return isinstance(error, TransientError | TimeoutError)


def gather(what: str, hosts: Sequence[str], futures: Sequence[PrefectFuture[R]]) -> list[R]:
    """Waits for every host and gives the results in order.

    Raises:
        HostsFailed: at least one failed; the message names each of them with its reason.
    """
    results, failures = settle(hosts, futures)
    if failures:
        logs = {host: log for host, error in failures.items() if (log := getattr(error, "log", ""))}
        raise HostsFailed(what, {host: reason(error) for host, error in failures.items()}, len(hosts), logs, failures)
    return list(results.values())


def settle(hosts: Sequence[str], futures: Sequence[PrefectFuture[R]]) -> tuple[dict[str, R], dict[str, Exception]]:
    """Waits for every host; gives results and failures by host, losing none.

    When the run is cancelled meanwhile, what is under way ends first: a step goes on in its thread, and would change
    again what is about to be taken back.
    """
    try:
        return _settle(hosts, futures)
    except SIGNALS:
        _wait(futures)
        raise


def _wait(futures: Sequence[PrefectFuture[Any]]) -> None:
    end = time.monotonic() + UNDER_WAY_SECONDS
    for future in futures:
        future.wait(max(0.0, end - time.monotonic()))


def _settle(hosts: Sequence[str], futures: Sequence[PrefectFuture[R]]) -> tuple[dict[str, R], dict[str, Exception]]:
    results: dict[str, R] = {}
    failures: dict[str, Exception] = {}
    for host, future in zip(hosts, futures, strict=True):
        outcome: object = future.result(raise_on_failure=False)
        if isinstance(outcome, Exception):
            failures[host] = outcome
        else:
            results[host] = cast(R, outcome)
    return results, failures


def reason(error: BaseException) -> str:
    """One failure in a line for people."""
    return str(error) if isinstance(error, DeployerError) else f"{type(error).__name__}: {error}"
