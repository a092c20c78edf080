"""The flow `rotate-keys`: other keys and certificates for the agents of droplets that serve."""

from __future__ import annotations

from datetime import timedelta

from blocks.environment import Environment
from tasks import former_tokens, rotation
from tasks.locks import PATIENCE, WhenLocked
from tasks.rotation_report import rotation_report
from tasks.runbooks import runbook


@runbook("rotate-keys", "rotate the keys of {environment.project}-{environment.name}")
def rotate_keys(
    environment: Environment,
    droplets: list[str] | None = None,
    older_than_hours: int = 1,
    plan_only: bool = False,
    when_locked: WhenLocked = "wait",
) -> None:
    """Gives droplets another key and certificate, one droplet first; two are good while they turn, one in the end.

    No container and no request notices. A run that was killed leaves a key that works on every droplet, and the next
    one goes on. Keys that derive from a former token are turned whatever their age; when none is left, the former
    token is taken out of its block.

    Args:
        environment: whose droplets.
        droplets: names of some of them; empty: all.
        older_than_hours: keys that are younger stay, so that a repetition changes nothing. 0: all are turned.
        plan_only: only show what would be done, and change nothing.
        when_locked: when another run changes a service on a droplet, `wait` for its end or `fail` at once.
    """
    plan = rotation.decide(rotation.observe(environment), droplets or [], timedelta(hours=older_than_hours))
    with rotation_report(plan, environment) as report:
        if not (report.is_idle() or plan_only):
            report.turned(rotation.turn_all(plan.first, environment, PATIENCE[when_locked]))
            report.turned(rotation.turn_all(plan.rest, environment, PATIENCE[when_locked]))
        rotation.check_silent(plan)
        if not plan_only:
            report.note(former_tokens.retire(environment))
