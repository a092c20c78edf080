"""The artifact of a deploy or a rollback: what was done on which droplet, how long it took, and where to look."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Literal

from prefect import get_run_logger

from blocks.environment import Environment
from fleet.errors import HostsFailed
from fleet.plan import Plan
from fleet.rollback import RollbackPlan
from fleet.state import Container, Droplet, Image
from tasks import cause_report
from tasks.images import Shipment
from tasks.plans import Order
from tasks.releases import OVERTAKEN, HalfDone, LockLost
from tasks.reports import fenced, published, table

Kind = Literal["deploy", "rollback"]


@dataclass
class Report:
    """Grows while a run goes on; published at its end, however it ends."""

    kind: Kind
    order: Order
    plan: Plan | RollbackPlan
    environment: Environment
    began: float = field(default_factory=time.monotonic)
    release: str = ""
    image: Image | None = None
    hosts: Sequence[Droplet] = ()
    shipments: Sequence[Shipment] = ()
    states: Sequence[tuple[Container, ...]] = ()
    statuses: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    """What somebody should look at, although all went well."""
    steps: list[tuple[str, float]] = field(default_factory=list)
    serves: bool = False
    """Whether the release serves everywhere by now: what fails after that takes nothing back."""
    idle: bool = False
    """Whether there was nothing to do."""

    @property
    def key(self) -> str:
        """The artifact's key."""
        return f"{self.kind}-{self.environment.title()}-{self.order.service.name}"

    @property
    def caption(self) -> str:
        """The artifact's description."""
        return f"{self.order.service.name} {self.release}".strip()

    def step(self, name: str) -> None:
        """Notes that a step has ended now."""
        self.steps.append((name, time.monotonic() - self.began))

    def served(self, statuses: dict[str, int]) -> None:
        """Notes that the release serves everywhere, as seen from outside."""
        self.statuses, self.serves = statuses, True
        self.step("verified through the edge")

    def is_idle(self, done: bool) -> bool:
        """Notes, and says, whether there is nothing to do."""
        self.idle = done
        if done:
            get_run_logger().info("Nothing to do: %s serves everywhere already; nothing was touched.", self.release)
        return done

    def markdown(self, error: Exception | None) -> str:
        """The whole report."""
        title = f"{self.order.service.name} · {self.release or 'no release'}"
        parts = [f"# {title}", f"**{self._outcome(error)}** ({time.monotonic() - self.began:.1f} s)"]
        parts += [f"- [{domain}]({self.environment.url(domain)})" for domain in self.order.service.domains]
        if self.plan.maintenance:
            parts += ["🚧 Visitors get the maintenance page, until the flow `maintenance` switches it off."]
        parts += [f"⚠️ {warning}" for warning in self.warnings]
        parts += ["## Droplets", self._droplets(error), "## Steps", self._steps(), self._plan()]
        if error is not None:
            parts += [*cause_report.section(error), "## What happened", fenced(str(error)), *_logs(error)]
        return "\n\n".join(parts)

    def _outcome(self, error: Exception | None) -> str:
        if isinstance(error, HalfDone):
            return "❌ failed, and not everything could be taken back: the next deploy goes on from here"
        if isinstance(error, LockLost):
            return f"❌ failed, and {OVERTAKEN}"
        if error is not None and self.serves:
            return "⚠️ the release serves everywhere, but what comes after was not finished: run it again"
        if error is not None:
            return "❌ failed: every droplet serves what it served before"
        if self.idle:
            return "✅ nothing to do: every droplet serves this release already, and nothing was touched"
        if {self._before(host.name) for host in self.hosts} == {self.release}:
            return "✅ unchanged: every droplet served this release already"
        return "✅ deployed" if self.kind == "deploy" else f"✅ rolled back to {self.release}"

    def _droplets(self, error: Exception | None) -> str:
        sent = {shipment.droplet: _moved(shipment) for shipment in self.shipments}
        left = error.left if isinstance(error, HalfDone) else {}
        rows = [
            (host.name, host.public_address or "none", self._before(host.name), self._after(index, host.name, error))
            for index, host in enumerate(self.hosts)
        ]
        rows = [(*row[:3], left.get(row[0], row[3])) for row in rows]
        gone = [(one.name, one.public_address or "none", self._before(one.name), self._drained()) for one in self._left]
        if self.kind == "rollback":
            return table(("droplet", "address", "before", "now"), rows)
        images = [(sent.get(row[0], "made here") if self.image else "none",) for row in rows]
        full = [(*row, *image) for row, image in zip(rows, images, strict=True)] + [(*row, "none") for row in gone]
        return table(("droplet", "address", "before", "now", "image"), full)

    @property
    def _left(self) -> tuple[Droplet, ...]:
        return self.plan.drain if isinstance(self.plan, Plan) else ()

    def _drained(self) -> str:
        return "drained away" if self.serves else "unchanged"

    def _before(self, droplet: str) -> str:
        return self.plan.before.releases.get(droplet, "none")

    def _after(self, index: int, droplet: str, error: Exception | None) -> str:
        before = self._before(droplet)
        if isinstance(error, LockLost):
            return "unknown"
        if (error is not None and not self.serves) or not self.states:
            return "unchanged"
        now = next((one.release for one in self.states[index] if one.role == "current"), before)
        return "unchanged" if now == before else now

    def _steps(self) -> str:
        starts = [0.0, *(end for _, end in self.steps)]
        return table(
            ("step", "took"),
            [(name, f"{end - start:.1f} s") for (name, end), start in zip(self.steps, starts, strict=False)],
        )

    def _plan(self) -> str:
        done = [str(operation) for operation in self.plan.operations if operation.changes and not self.idle]
        lines = "\n".join(done) or "nothing was to be changed"
        return f"## Plan {self.plan.digest}\n\n{fenced(lines)}"


def deploy_report(order: Order, plan: Plan, environment: Environment) -> AbstractContextManager[Report]:
    """The report of a deploy, published when the block ends, with the error if it ends by one."""
    return published(Report("deploy", order, plan, environment, hosts=plan.keep))


def rollback_report(order: Order, plan: RollbackPlan, environment: Environment) -> AbstractContextManager[Report]:
    """The report of a rollback, published when the block ends, with the error if it ends by one."""
    return published(Report("rollback", order, plan, environment, release=plan.release, hosts=plan.hosts))


def _moved(shipment: Shipment) -> str:
    layers = f"{shipment.layers} layer{'s' * (shipment.layers > 1)}"
    return f"{layers}, {shipment.bytes / 1e6:.2f} MB" if shipment.layers else "was there already"


def _logs(error: Exception) -> list[str]:
    cause = error.__cause__ if isinstance(error, HalfDone | LockLost) else error
    logs = cause.logs if isinstance(cause, HostsFailed) else {}
    return [part for host, log in logs.items() for part in (f"### The container's last lines on {host}", fenced(log))]
