"""The artifact of a deploy: what was done on which droplet, how long it took, and where to look."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from blocks.environment import Environment
from fleet.errors import HostsFailed
from fleet.plan import DeployPlan
from fleet.state import Container, Droplet, Image
from tasks.images import Shipment
from tasks.plans import Order
from tasks.reports import fenced, publish, table


@dataclass
class DeployReport:
    """Grows while a deploy goes on; published at its end, however it ends."""

    order: Order
    plan: DeployPlan
    environment: Environment
    began: float = field(default_factory=time.monotonic)
    release: str = ""
    image: Image | None = None
    hosts: Sequence[Droplet] = ()
    shipments: Sequence[Shipment] = ()
    states: Sequence[tuple[Container, ...]] = ()
    statuses: dict[str, int] = field(default_factory=dict)
    steps: list[tuple[str, float]] = field(default_factory=list)

    def step(self, name: str) -> None:
        """Notes that a step has ended now."""
        self.steps.append((name, time.monotonic() - self.began))

    def markdown(self, error: Exception | None) -> str:
        """The whole report."""
        title = f"{self.order.service.name} · {self.release or 'no release'}"
        parts = [f"# {title}", f"**{self._outcome(error)}** ({time.monotonic() - self.began:.1f} s)"]
        parts += [f"- [{domain}]({self.environment.url(domain)})" for domain in self.order.service.domains]
        parts += ["## Droplets", self._droplets(), "## Steps", self._steps()]
        if error is not None:
            parts += ["## What happened", fenced(str(error)), *_logs(error)]
        return "\n\n".join(parts)

    def _outcome(self, error: Exception | None) -> str:
        if error is not None:
            return "❌ failed: every droplet serves what it served before"
        served = {self.plan.current.get(host.name) for host in self.hosts}
        return "✅ deployed" if served != {self.release} else "✅ unchanged: every droplet serves this release already"

    def _droplets(self) -> str:
        sent = {shipment.droplet: shipment for shipment in self.shipments}
        rows = []
        for index, host in enumerate(self.hosts):
            shipment = sent.get(host.name)
            moved = _moved(shipment) if shipment else "built here"
            seen = [one for one in self.states[index] if one.role == "current"] if self.states else []
            now = seen[0].release if seen else self.plan.current.get(host.name, "none")
            before = self.plan.current.get(host.name, "none")
            after = "unchanged" if now == before else now
            rows.append((host.name, host.public_address or "none", before, after, moved))
        return table(("droplet", "address", "before", "now", "image"), rows)

    def _steps(self) -> str:
        starts = [0.0, *(end for _, end in self.steps)]
        return table(
            ("step", "took"),
            [(name, f"{end - start:.1f} s") for (name, end), start in zip(self.steps, starts, strict=False)],
        )


@contextmanager
def deploy_report(order: Order, plan: DeployPlan, environment: Environment) -> Iterator[DeployReport]:
    """A report that is published when the block ends, with the error if it ends by one."""
    report = DeployReport(order, plan, environment)
    failure: Exception | None = None
    try:
        yield report
    except Exception as error:
        failure = error
        raise
    finally:
        key = f"deploy-{environment.title()}-{order.service.name}"
        publish(key, report.markdown(failure), f"{order.service.name} {report.release}".strip())


def _moved(shipment: Shipment) -> str:
    return f"{shipment.layers} layers, {shipment.bytes / 1e6:.2f} MB" if shipment.layers else "was there already"


def _logs(error: Exception) -> list[str]:
    logs = error.logs if isinstance(error, HostsFailed) else {}
    return [part for host, log in logs.items() for part in (f"### The container's last lines on {host}", fenced(log))]
