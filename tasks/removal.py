"""The artifact of an undeploy, and the proof that nothing is left."""

from __future__ import annotations

from collections.abc import Sequence

from blocks.environment import Environment
from fleet.errors import PermanentError
from fleet.removal import UndeployPlan
from tasks.plans import Order
from tasks.reports import fenced, publish, table


def report(
    order: Order, done: UndeployPlan, removed: Sequence[bool], left: UndeployPlan, environment: Environment
) -> None:
    """Publishes what went and what is left.

    Raises:
        PermanentError: something is left; the message names it.
    """
    rows = [("A record", record.name, record.content, "removed") for record in done.records]
    rows += [
        ("container", done.container, droplet.name, "removed" if gone else "was gone")
        for droplet, gone in zip(done.droplets, removed, strict=True)
    ]
    body = table(("what", "name", "where", "outcome"), rows) if rows else "Nothing was there: nothing was changed."
    rest = "\n".join(left.lines())
    proof = f"## Left behind\n\n{fenced(rest)}" if rest else "Looked again afterwards: nothing is left."
    title = f"# {order.service.name} off {environment.title()}"
    publish(f"undeploy-{environment.title()}-{order.service.name}", f"{title}\n\n{body}\n\n{proof}", order.container)
    if rest:
        raise PermanentError(f"The undeploy of {done.container} left something behind:\n{rest}", hint="Run it again.")
