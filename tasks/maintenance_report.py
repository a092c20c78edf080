"""The artifact of the flow `maintenance`: what visitors got before and what they get now, on every droplet."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from prefect import get_run_logger

from blocks.environment import Environment
from fleet.maintenance import MaintenancePlan
from tasks.maintenance import told
from tasks.plans import Order
from tasks.releases import OVERTAKEN, HalfDone, LockLost
from tasks.reports import fenced, published, table


@dataclass
class Report:
    """Grows while a run goes on; published at its end, however it ends."""

    order: Order
    plan: MaintenancePlan
    environment: Environment
    statuses: dict[str, int] = field(default_factory=dict)
    """What each name answered through the edge."""

    @property
    def key(self) -> str:
        """The artifact's key."""
        return f"maintenance-{self.environment.title()}-{self.order.service.name}"

    @property
    def caption(self) -> str:
        """The artifact's description."""
        return f"{self.order.service.name}: {told(self.plan.page)}"

    def is_idle(self, done: bool) -> bool:
        """Says whether there is nothing to do, and notes it in the log."""
        if done:
            get_run_logger().info("Nothing to do: every droplet shows %s; nothing was touched.", told(self.plan.page))
        return done

    def served(self, statuses: dict[str, int]) -> None:
        """Notes what was seen from outside."""
        self.statuses = statuses

    def markdown(self, error: Exception | None) -> str:
        """The whole report."""
        title = f"{self.order.service.name} · maintenance {'on' if self.plan.page else 'off'}"
        parts = [f"# {title}", f"**{self._outcome(error)}**", "## Droplets", self._droplets(error)]
        if self.statuses:
            rows = [(f"[{name}]({self.environment.url(name)})", status) for name, status in self.statuses.items()]
            parts += ["## Through the edge", table(("name", "answers"), rows)]
        if error is not None:
            parts += ["## What happened", fenced(str(error))]
        return "\n\n".join(parts)

    def _outcome(self, error: Exception | None) -> str:
        if isinstance(error, HalfDone):
            return "❌ failed, and not everything could be taken back: run it again"
        if isinstance(error, LockLost):
            return f"❌ failed, and {OVERTAKEN}"
        if error is not None:
            return "❌ failed: every droplet shows what it showed before"
        if self.plan.at_rest:
            return f"✅ nothing to do: every droplet shows {told(self.plan.page)} already, and nothing was touched"
        return f"🚧 visitors get {told(self.plan.page)}" if self.plan.page else "✅ visitors get the service again"

    def _droplets(self, error: Exception | None) -> str:
        before = self.plan.before
        left = error.left if isinstance(error, HalfDone) else {}
        left = dict.fromkeys(before, "unknown") if isinstance(error, LockLost) else left
        now = {name: told(before[name] if error else self.plan.page) for name in before} | left
        rows = [(one.name, one.public_address, told(before[one.name]), now[one.name]) for one in self.plan.hosts]
        return table(("droplet", "address", "before", "now"), rows)


def maintenance_report(order: Order, plan: MaintenancePlan, environment: Environment) -> AbstractContextManager[Report]:
    """The report, published when the block ends, with the error if it ends by one."""
    return published(Report(order, plan, environment))
