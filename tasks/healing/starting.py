"""A `remediate` run for each decision that acts: one, however often it is asked for, and another where one crashed."""

from __future__ import annotations

from typing import Final, cast

from prefect import get_run_logger
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound

DEPLOYMENT: Final = "remediate/remediate"
ATTEMPTS: Final = 5
"""Runs of one decision; what these have not done is over at its deadline, and did not help."""


def ensure(decision: str) -> None:
    """Starts the run that carries out a decision of which nobody has told the outcome, unless one is under way.

    One that has ended without a word was killed, or came while the lock of one that was killed was not over yet.
    """
    for attempt in range(1, ATTEMPTS + 1):
        run = _start(decision, attempt)
        if run is None or run.state is None or not run.state.is_final():
            return
    get_run_logger().error("%d runs of %s ended without an outcome; no other is started.", ATTEMPTS, decision)


def _start(decision: str, attempt: int) -> FlowRun | None:
    """The run of this attempt, made unless it is there; None where there is no such deployment."""
    key = f"{decision}-{attempt}"
    try:
        started = run_deployment(
            DEPLOYMENT, parameters={"decision": decision}, idempotency_key=key, timeout=0, as_subflow=False
        )
    except ObjectNotFound:
        get_run_logger().error(
            "There is no deployment %s, so nothing is carried out. Run `python -m deployments apply`.", DEPLOYMENT
        )
        return None
    return cast(FlowRun, started)
