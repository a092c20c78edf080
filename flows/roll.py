"""The flow `roll`: an environment's droplets exchanged for new ones from another snapshot, without losing a request."""

from __future__ import annotations

from blocks.environment import Environment
from blocks.snapshot import Snapshot
from fleet.roll import Move
from flows.deploy import deploy
from tasks import approvals, bases, firewalls, kept, moves, rolls
from tasks.locks import WhenLocked
from tasks.roll_report import Report, roll_report
from tasks.rolls import RollOrder
from tasks.runbooks import runbook


@runbook("roll", "roll {environment.project}-{environment.name}")
def roll(
    environment: Environment,
    snapshot: Snapshot | None = None,
    plan_only: bool = False,
    leave_pinned: bool = False,
    when_locked: WhenLocked = "wait",
) -> None:
    """Moves an environment's droplets to a snapshot, one by one; those that are from it already are left alone.

    A new droplet comes in, gets all that serves on the old one, and proves it; only then the old one leaves DNS, is
    drained, and destroyed. A failure leaves the old one serving. A run that was killed is gone on with by the next.
    Services whose block says so are deployed at the end, if they are not built on the base of their new droplets.

    Args:
        environment: whose droplets.
        snapshot: what they are to be made from; empty: the environment's default.
        plan_only: only show what would be done, and change nothing.
        leave_pinned: leave droplets with volumes, or with other people's containers, as they are; otherwise the run
            refuses before anything has changed, and names them.
        when_locked: when another run changes a service that moves, `wait` for its end or `fail` at once.
    """
    order = rolls.check(environment, snapshot, leave_pinned)
    plan = rolls.decide(order, rolls.observe(order, environment), environment)
    approvals.show(order, plan, environment)
    if plan_only:
        return
    approvals.ask(order, plan, environment)
    with roll_report(plan, environment) as report:
        if not report.is_idle():
            firewalls.apply(plan.firewall, environment)
        for planned in plan.moves:
            give_way(order, planned, report, when_locked, environment)
    for service in bases.outdated(order, environment):
        deploy(service, snapshot, when_locked=when_locked)
    kept.refresh(environment)


def give_way(order: RollOrder, planned: Move, report: Report, when: WhenLocked, environment: Environment) -> None:
    """One droplet gives way to another, if it is still there."""
    with rolls.locked(order, planned, when, environment) as (locks, move):
        if move is None:
            return
        new = moves.ensure(move, environment)
        held = moves.extend(locks, new)
        with moves.proven(move, new, held, environment):
            moves.bring(move, new, held, environment)
        report.warnings += bases.warn_of_move(move, new, environment)
        moves.point(order, move, new, held, environment)
        moves.end(move, held, environment)
        report.moved(move, new)
