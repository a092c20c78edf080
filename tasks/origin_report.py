"""The artifact of the flow `secure-origins`: what every droplet shows and demands, and what the edge insists on."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from blocks.environment import Environment
from fleet.errors import HostsFailed
from fleet.origins import Shown
from tasks.origins import Insistence
from tasks.reports import fenced, published, table


@dataclass
class Report:
    """Grows while a run goes on; published at its end, however it ends."""

    environment: Environment
    shown: dict[str, Shown] = field(default_factory=dict)
    insistence: Insistence | None = None

    @property
    def key(self) -> str:
        """The artifact's key."""
        return f"origins-{self.environment.title()}"

    @property
    def caption(self) -> str:
        """The artifact's description."""
        return f"origins of {self.environment.title()}"

    def markdown(self, error: Exception | None) -> str:
        """The whole report."""
        parts = [f"# Origins of {self.environment.title()}", f"**{self._outcome(error)}**"]
        failures = error.failures if isinstance(error, HostsFailed) else {}
        rows = [(name, *_told(one)) for name, one in sorted(self.shown.items())]
        rows += [(name, f"❌ {why}", "") for name, why in sorted(failures.items())]
        parts.append(table(("droplet", "certificate for the edge", "answers"), rows))
        if error is not None:
            parts += ["## What happened", fenced(str(error))]
        return "\n\n".join(parts)

    def _outcome(self, error: Exception | None) -> str:
        if error is not None:
            return "❌ not every droplet could be brought to it; whoever served goes on serving"
        if self.insistence and self.insistence.hindrance:
            return f"⚠️ the zone stays in mode {self.insistence.mode}: {self.insistence.hindrance}"
        if not all(one.required for one in self.shown.values()):
            return "✅ the edge insists on certificates; droplets demand its own from the next round on"
        return "✅ droplets and edge prove themselves to each other"


def _told(one: Shown) -> tuple[str, str]:
    shown = f"signed by Cloudflare, until {one.expires_at:%Y-%m-%d}" if one.signed else "its own"
    if not one.asks:
        return shown, "everybody: its nginx cannot ask; roll it to a base snapshot made anew"
    return shown, "the edge of this zone alone" if one.required else "everybody whom the firewall admits"


def origin_report(environment: Environment) -> AbstractContextManager[Report]:
    """The report, published when the block ends, with the error if it ends by one."""
    return published(Report(environment))
