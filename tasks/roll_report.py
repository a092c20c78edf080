"""The artifact of the flow `roll`: which droplet gave way to which, and what moved."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from prefect import get_run_logger

from blocks.environment import Environment
from fleet.errors import HostsFailed
from fleet.roll import Move, RollPlan
from fleet.state import Droplet
from tasks import cause_report
from tasks.releases import HalfDone, LockLost
from tasks.reports import fenced, published, table


@dataclass
class Report:
    """Grows while a run goes on; published at its end, however it ends."""

    plan: RollPlan
    environment: Environment
    began: float = field(default_factory=time.monotonic)
    done: dict[str, tuple[str, float]] = field(default_factory=dict)
    """By the old droplet's name: the new one's, and after how many seconds."""
    warnings: list[str] = field(default_factory=list)
    """What somebody should look at, although all went well."""

    @property
    def key(self) -> str:
        """The artifact's key."""
        return f"roll-{self.environment.title()}"

    @property
    def caption(self) -> str:
        """The artifact's description."""
        return f"{self.environment.title()} to the snapshot {self.plan.snapshot}"

    def is_idle(self) -> bool:
        """Says whether there is nothing to do, and notes it in the log."""
        if self.plan.at_rest:
            snapshot = self.plan.snapshot
            get_run_logger().info("Nothing to do: no droplet has to move to %s; nothing was touched.", snapshot)
        return self.plan.at_rest

    def moved(self, move: Move, new: Droplet) -> None:
        """Notes that a droplet is gone, and another in its place."""
        self.done[move.old.name] = (new.name, time.monotonic() - self.began)

    def markdown(self, error: Exception | None) -> str:
        """The whole report."""
        title = f"# {self.environment.title()} · snapshot {self.plan.snapshot}"
        parts = [title, f"**{self._outcome(error)}** ({time.monotonic() - self.began:.1f} s)"]
        parts.append(table(("droplet", "now", "moved", "after"), self._rows()))
        parts += [f"⚠️ {warning}" for warning in self.warnings]
        if error is not None:
            parts += [*cause_report.section(error), "## What happened", fenced(str(error))]
        cause = error.__cause__ if isinstance(error, HalfDone | LockLost) else error
        if isinstance(cause, HostsFailed):
            parts += [f"### Last lines of {name}\n\n{fenced(log)}" for name, log in sorted(cause.logs.items())]
        if self.plan.snapshot != self._default:
            parts.append("⚠️ The environment's default snapshot is another one: new droplets are still made from that.")
        return "\n\n".join(parts)

    @property
    def _default(self) -> str:
        return self.environment.snapshot.snapshot_id if self.environment.snapshot else ""

    def _outcome(self, error: Exception | None) -> str:
        if error is not None:
            return f"❌ failed after {len(self.done)} of {len(self.plan.moves)} droplets: what serves goes on serving"
        if self.plan.at_rest:
            return "✅ nothing to do: no droplet has to move, and nothing was touched"
        return f"✅ {len(self.done)} droplets gave way to new ones"

    def _rows(self) -> list[tuple[str, str, str, str]]:
        rows = []
        for move in self.plan.moves:
            new, seconds = self.done.get(move.old.name, ("as it was, or half-way: run this again", 0.0))
            what = ", ".join(f"{one.service.name} {one.release}" for one in move.services) or "nothing"
            rows.append((move.old.name, new, what, f"{seconds:.1f} s" if seconds else ""))
        rows += [(name, "stays", why, "") for name, why in self.plan.left.items()]
        return rows + [(one.name, "has the snapshot", "", "") for one in self.plan.done]


def roll_report(plan: RollPlan, environment: Environment) -> AbstractContextManager[Report]:
    """The report, published when the block ends, with the error if it ends by one."""
    return published(Report(plan, environment))
