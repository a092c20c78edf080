"""The artifact of the flow `adopt`: what was found, what was made of it, and what a person still has to fill in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from blocks.environment import Environment
from fleet.adoption import Adopted, AdoptionPlan
from fleet.errors import PermanentError
from tasks import adoption
from tasks.reports import fenced, published, table

VERBS = {
    "make": "to be adopted",
    "keep": "has its block: left as it is",
    "unknown": "⚠️ has no manifest",
    "absent": "runs nowhere",
}


@dataclass
class Report:
    """Grows while a run goes on; published at its end, however it ends."""

    plan: AdoptionPlan
    environment: Environment
    made: dict[str, str] = field(default_factory=dict)
    """Documents that were made, by service."""
    failed: dict[str, str] = field(default_factory=dict)
    """Why none was made, by service."""
    settled: list[str] = field(default_factory=list)
    """What was done about the environment's block, and what is to be."""
    planned: bool = False
    """Whether only the plan was wanted."""

    @property
    def key(self) -> str:
        """The artifact's key."""
        return f"adopt-{self.environment.title()}"

    @property
    def caption(self) -> str:
        """The artifact's description."""
        return f"adoption of {self.environment.title()}: {len(self.plan.services)} services"

    def check(self) -> None:
        """Whether every service that could be adopted was.

        Raises:
            PermanentError: one was not; the message names each.
        """
        if self.failed:
            told = "".join(f"\n  {name}: {why}" for name, why in sorted(self.failed.items()))
            raise PermanentError(f"Not every service could be adopted:{told}", hint="The others are.")

    def markdown(self, error: Exception | None) -> str:
        """The whole report."""
        parts = [f"# What runs in {self.environment.title()}", f"**{self._outcome(error)}**"]
        if self.plan.services:
            head = ("service", "", "serves", "on", "domains", "records", "can go back to", "its manifest", "")
            parts.append(table(head, [self._row(one) for one in self.plan.services]))
        parts += [*self._secrets(), *self._sections()]
        if error is not None:
            parts += ["## What happened", fenced(str(error))]
        return "\n\n".join(parts)

    def _outcome(self, error: Exception | None) -> str:
        if error is not None:
            return "❌ not finished; nothing that serves was touched"
        if self.planned:
            return "📋 only what was found: nothing was written"
        if not self.plan.making:
            return "✅ nothing to do: nothing was found that has no block"
        return f"✅ adopted: {', '.join(sorted(self.made))}; nothing that serves was touched"

    def _row(self, one: Adopted) -> tuple[object, ...]:
        done = f"✅ block {self.made[one.service]}" if one.service in self.made else VERBS[one.verb]
        left = f"{one.left.written_at:%Y-%m-%d %H:%M} UTC, {one.left.by}" if one.left else "none"
        return (
            one.service,
            f"❌ {self.failed[one.service]}" if one.service in self.failed else done,
            ", ".join(one.releases) or "nothing",
            ", ".join(one.droplets) or "nowhere",
            ", ".join(one.domains),
            one.records,
            ", ".join(one.older),
            left,
            one.note,
        )

    def _secrets(self) -> Iterator[str]:
        wanted = [(one.service, adoption.missing(one)) for one in self.plan.making]
        rows = [(service, ", ".join(names)) for service, names in wanted if names]
        if rows:
            yield "## Secrets to fill in"
            yield "Nobody can read them back. Fill them in in the Service blocks: until then a deploy is refused."
            yield table(("service", "secrets"), rows)

    def _sections(self) -> Iterator[str]:
        plan = self.plan
        held = [f"{one.container} on {one.droplet}: {one.holder}, since {one.since:%H:%M:%S} UTC" for one in plan.locks]
        strays = [f"{title}: {number}" for title, number in plan.strays]
        yield from _section("The environment's block", self.settled)
        yield from _section("Locks that runs hold now, of whatever controller", held)
        yield from _section("Still to go (tombstones)", [f"{name}: {what}" for name, what in plan.tombstones])
        yield from _section("Paused", plan.pauses)
        yield from _section("What the droplets' watchdogs did", plan.watched)
        yield from _section("Droplets of environments without a block; make one, and adopt it too", strays)
        yield from _section("Droplets that cannot be seen", [f"{name}: {why}" for name, why in plan.silent])


def _section(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield f"## {title}"
        yield "\n".join(f"- {line}" for line in lines)


def adoption_report(plan: AdoptionPlan, environment: Environment, planned: bool) -> AbstractContextManager[Report]:
    """The report, published when the block ends, with the error if it ends by one."""
    return published(Report(plan, environment, planned=planned))
