"""The artifact of the flow `upgrade-agents`: which version every droplet had, and has."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from prefect import get_run_logger

from blocks.environment import Environment
from fleet.errors import HostsFailed
from fleet.upgrades import UpgradePlan
from tasks.reports import fenced, published, table


@dataclass
class Report:
    """Grows while a run goes on; published at its end, however it ends."""

    plan: UpgradePlan
    environment: Environment
    done: dict[str, str] = field(default_factory=dict)
    """What was done, by droplet."""

    @property
    def key(self) -> str:
        """The artifact's key."""
        return f"agents-{self.environment.title()}"

    @property
    def caption(self) -> str:
        """The artifact's description."""
        return f"agents of {self.environment.title()}: {self.plan.version}"

    def is_idle(self) -> bool:
        """Says whether there is nothing to do, and notes it in the log."""
        if self.plan.at_rest:
            get_run_logger().info(
                "Nothing to do: every agent that answers has version %s; nothing was touched.", self.plan.version
            )
        return self.plan.at_rest

    def upgraded(self, done: dict[str, str]) -> None:
        """Notes droplets that have the version now."""
        self.done |= done

    def markdown(self, error: Exception | None) -> str:
        """The whole report."""
        parts = [f"# Agents of {self.environment.title()} · {self.plan.version}", f"**{self._outcome(error)}**"]
        parts.append(table(("droplet", "before", "outcome"), self._rows(error)))
        if error is not None:
            parts += ["## What happened", fenced(str(error))]
        if isinstance(error, HostsFailed):
            parts += [f"### Last lines of {name}\n\n{fenced(log)}" for name, log in sorted(error.logs.items())]
        return "\n\n".join(parts)

    def _outcome(self, error: Exception | None) -> str:
        if error is not None:
            return "❌ not every droplet has it; no container noticed"
        if self.plan.at_rest:
            return "✅ nothing to do: every agent has this version already"
        return "✅ every agent has this version" if self.done else "📋 only the plan: nothing was changed"

    def _rows(self, error: Exception | None) -> list[tuple[str, str, str]]:
        failures = error.failures if isinstance(error, HostsFailed) else {}
        plan = self.plan
        rows = [(one.droplet.name, one.version, "has it already") for one in plan.done]
        for one in [*plan.first, *plan.rest]:
            name = one.droplet.name
            outcome = f"❌ {failures[name]}" if name in failures else self.done.get(name, "not begun")
            rows.append((name, one.version, outcome))
        return rows + [(one.droplet.name, "?", f"left alone: {one.error}") for one in plan.silent]


def upgrade_report(plan: UpgradePlan, environment: Environment) -> AbstractContextManager[Report]:
    """The report, published when the block ends, with the error if it ends by one."""
    return published(Report(plan, environment))
