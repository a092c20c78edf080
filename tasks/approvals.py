"""A plan shown, approved where the environment asks for it, and carried out only while the world is as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn, Protocol, TypeVar

from prefect import get_run_logger
from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from pydantic import ConfigDict, Field

from blocks.environment import Environment
from fleet import facts
from fleet.errors import PermanentError
from fleet.facts import Facts, Moved
from fleet.operations import Operation
from fleet.state import World
from tasks.plans import Order, observe
from tasks.reports import publish, table

POLL_SECONDS = 3
"""How often a run that waits looks whether somebody has answered."""
MINUTE_SECONDS = 60
UNCHANGED = "Nothing has been changed."


class Asked(Protocol):
    """What a person has asked for, as far as its plan's heading says it."""

    @property
    def title(self) -> str:
        """In a word: a service's name, or what is done."""


class Shown(Protocol):
    """A plan, as far as a person sees it."""

    @property
    def operations(self) -> tuple[Operation, ...]:
        """What it does."""

    @property
    def basis(self) -> Facts:
        """What it follows from."""

    @property
    def digest(self) -> str:
        """What stands for it."""


P = TypeVar("P", bound=Shown)


class Approval(RunInput):
    """The form that a run waits for."""

    model_config = ConfigDict(title="Approve this plan", extra="forbid")

    approve: bool = Field(
        False, title="Approve", description="On: exactly this plan is carried out. Off: the run ends here."
    )
    digest: str = Field(
        "",
        title="Digest of the plan",
        description="To approve, copy the plan's twelve digits here: they say which plan you have read.",
        max_length=40,
    )
    comment: str = Field("", title="Comment", description="Goes into the run's log.", max_length=1000)


class NotApproved(PermanentError):
    """Somebody refused the plan, or nobody answered; nothing has been changed."""


class WorldMoved(PermanentError):
    """What the plan follows from is not so any more; `moved` has what differs. Nothing has been changed."""

    def __init__(self, moved: tuple[Moved, ...]) -> None:
        lines = "".join(f"\n  {one}" for one in moved)
        super().__init__(
            f"The environment is not as it was when the plan was made.{lines}\n{UNCHANGED}",
            hint="Run this again: it makes a plan of what is there now.",
        )
        self.moved = moved


def show(order: Asked, plan: Shown, environment: Environment) -> None:
    """The plan as an artifact."""
    publish(_key(order, environment), f"{_title(order, environment)}\n\n{_body(plan)}", f"plan {plan.digest}")


def ask(order: Asked, plan: Shown, environment: Environment) -> None:
    """Waits until somebody has approved the plan, where the environment wants that.

    Raises:
        NotApproved: it was refused, or nobody answered in time.
    """
    if not environment.approval:
        return
    form = Approval.with_initial_data(description=f"{_title(order, environment)}\n\n{_body(plan)}")
    wait = round(environment.approval_minutes * MINUTE_SECONDS)
    try:
        given = pause_flow_run(wait_for_input=form, timeout=wait, poll_interval=POLL_SECONDS)
    except FlowPauseTimeout as error:
        minutes = f"{environment.approval_minutes} minutes"
        raise NotApproved(
            f"Nobody approved the plan {plan.digest} within {minutes}. {UNCHANGED}", hint="Run this again."
        ) from error
    _check(given, plan.digest)
    get_run_logger().info("The plan %s was approved. %s", plan.digest, given.comment)


def confirm(order: Order, plan: P, environment: Environment, again: Callable[[World], P] | None = None) -> P:
    """The plan, when the world, under the lock, is still as it was when the plan was made.

    Otherwise a new one by `again`, where nobody was asked for approval.

    Raises:
        WorldMoved: there is none; what differs is in the error and in an artifact, as it was and as it is.
    """
    world = observe(order, environment)
    moved = facts.moved(plan.basis, facts.facts_of(world))
    if not moved:
        return plan
    for line in moved:
        get_run_logger().warning("moved since the plan was made: %s", line)
    if again is None or environment.approval:
        _refuse(order, plan, moved, environment)
    else:
        plan = again(world)
        show(order, plan, environment)
    return plan


def _refuse(order: Order, plan: Shown, moved: tuple[Moved, ...], environment: Environment) -> NoReturn:
    rows = [(one.what, one.old, one.new) for one in moved]
    body = f"{_title(order, environment)}\n\n⛔ Not carried out: the environment has moved since. {UNCHANGED}\n\n"
    publish(_key(order, environment), body + table(("what", "when planned", "now"), rows), f"plan {plan.digest}")
    raise WorldMoved(moved)


def _check(given: Approval, digest: str) -> None:
    said = f" {given.comment.strip()}" if given.comment.strip() else ""
    if not given.approve:
        raise NotApproved(f"The plan {digest} was refused.{said} {UNCHANGED}")
    if given.digest.strip() != digest:
        raise NotApproved(
            f"The digest {given.digest.strip()!r} was confirmed, and the plan's is {digest}. {UNCHANGED}",
            hint="Run this again, read the plan, and copy its digest into the form.",
        )


def _body(plan: Shown) -> str:
    rows = [(one.part, one.text, one.note if one.changes else "as it is") for one in plan.operations]
    parts = [f"Digest of the plan: `{plan.digest}` · of the world it follows from: `{facts.digest(plan.basis)}`"]
    return "\n\n".join([*parts, table(("what", "operation", ""), rows)])


def _title(order: Asked, environment: Environment) -> str:
    return f"# Plan for {order.title} in {environment.title()}"


def _key(order: Asked, environment: Environment) -> str:
    return f"plan-{environment.title()}-{order.title}"
