"""The artifact of the flow `rotate-keys`: which key every droplet had, and has."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from prefect import get_run_logger

from blocks.environment import Environment
from fleet.errors import HostsFailed
from fleet.rotation import RotationPlan
from tasks.policy import reason
from tasks.reports import fenced, published, table
from tasks.rotation import Turned


@dataclass
class Report:
    """Grows while a run goes on; published at its end, however it ends."""

    plan: RotationPlan
    environment: Environment
    done: dict[str, str] = field(default_factory=dict)
    """What was done, by droplet."""
    failures: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        """The artifact's key."""
        return f"keys-{self.environment.title()}"

    @property
    def caption(self) -> str:
        """The artifact's description."""
        return f"keys of {self.environment.title()}"

    def is_idle(self) -> bool:
        """Says whether there is nothing to do, and notes it in the log."""
        if self.plan.at_rest:
            get_run_logger().info("Nothing to do: every droplet that answers has a young key; nothing was touched.")
        return self.plan.at_rest

    def turned(self, turned: Turned) -> None:
        """Notes what became of some droplets.

        Raises:
            HostsFailed: not all have their new key; the message names each with its reason.
        """
        self.done |= turned.done
        if turned.failures:
            self.failures = {name: reason(error) for name, error in turned.failures.items()}
            total = len(turned.done) + len(turned.failures)
            raise HostsFailed("Turning keys", self.failures, total, errors=turned.failures)

    def note(self, line: str) -> None:
        """Says something that concerns no single droplet."""
        if line:
            get_run_logger().info("%s", line)
            self.notes.append(line)

    def markdown(self, error: Exception | None) -> str:
        """The whole report."""
        parts = [f"# Keys of {self.environment.title()}", f"**{self._outcome(error)}**"]
        parts.append(table(("droplet", "before", "outcome"), self._rows()))
        parts += self.notes
        if error is not None:
            parts += ["## What happened", fenced(str(error))]
        return "\n\n".join(parts)

    def _outcome(self, error: Exception | None) -> str:
        if error is not None:
            return "❌ pending on some droplets; every one of them has a key that works"
        if self.plan.at_rest:
            return "✅ nothing to do: every key is young"
        return "✅ every droplet answers to its new key alone" if self.done else "📋 only the plan: nothing was changed"

    def _rows(self) -> list[tuple[str, str, str]]:
        plan = self.plan
        rows = [(one.droplet.name, f"key {one.number}", "stays: it is young") for one in plan.done]
        for one in [*plan.first, *plan.rest]:
            name = one.seen.droplet.name
            failed = f"❌ pending: {self.failures[name]}" if name in self.failures else "pending: not begun"
            rows.append((name, f"key {one.seen.number}", self.done.get(name, failed)))
        return rows + [(one.droplet.name, "?", f"pending: {one.error}") for one in plan.silent]


def rotation_report(plan: RotationPlan, environment: Environment) -> AbstractContextManager[Report]:
    """The report, published when the block ends, with the error if it ends by one."""
    return published(Report(plan, environment))
