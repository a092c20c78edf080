"""What has a verdict: every droplet, container and public name, each once; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from fleet.remediation.observations import Said
from fleet.state import Role, VerdictWord
from tasks.health.findings import SEVERITY, EdgeAnswer, Finding

Kind = Literal["droplet", "container", "name"]
WORD: Final[dict[Said, VerdictWord]] = {
    "healthy": "healthy",
    "degraded": "degraded",
    "unhealthy": "unhealthy",
    "silent": "unhealthy",
}
"""For a visitor it is the same whether nobody answers at all or the wrong one; anything else is `unknown`."""


@dataclass(frozen=True)
class Subject:
    """One thing that is well or not, as a round found it."""

    kind: Kind
    environment: str
    droplet: str
    """Empty for a public name, and where nobody could say which droplets there are."""
    name: str
    """A container's name, or the public name; empty for a droplet."""
    verdict: VerdictWord
    reason: str
    role: Role = "current"
    release: str = ""
    restarts: int | None = None
    began: datetime | None = None
    version: str = ""
    """The agent's version; of a droplet alone."""
    seconds: float | None = None
    """Until it answered."""

    @property
    def key(self) -> str:
        """What tells it from all others, and stays from round to round, whatever release is current."""
        which = "" if self.role == "current" else f"{self.role}.{self.release}"
        parts = ("deployer", self.kind, self.environment, self.droplet, self.name, which)
        return ".".join(part for part in parts if part)

    @property
    def is_followed(self) -> bool:
        """Whether it is news when its verdict changes.

        What does not serve comes and goes with every deploy; and an environment of which nothing was seen has no row
        of its own once it is seen again.
        """
        return self.role == "current" and bool(self.droplet or self.name)

    @property
    def title(self) -> str:
        """The subject for people, without its environment."""
        if self.kind == "droplet":
            return self.droplet or "(all droplets)"
        return self.name if self.kind == "name" else f"{self.name} on {self.droplet}"


def subjects(findings: Iterable[Finding]) -> list[Subject]:
    """All that has a verdict, the worst first; then each droplet with what is on it, and the names after them."""
    found: dict[str, Subject] = {}
    for finding in findings:
        for one in (_of(finding), *(_named(finding.environment, answer) for answer in finding.edge)):
            known = found.get(one.key)
            if known is None or SEVERITY[known.verdict] < SEVERITY[one.verdict]:
                found[one.key] = one
    return sorted(found.values(), key=_rank)


def _rank(one: Subject) -> tuple[int, str, bool, str, str]:
    return -SEVERITY[one.verdict], one.environment, one.kind == "name", one.droplet, one.name


def _of(finding: Finding) -> Subject:
    answer = finding.agent
    return Subject(
        kind="container" if finding.container else "droplet",
        environment=finding.environment,
        droplet=finding.droplet,
        name=finding.container,
        verdict=finding.verdict,
        reason=finding.reason,
        role=finding.role,
        release=finding.release,
        restarts=finding.restarts if finding.container else None,
        began=finding.since,
        version=answer.node.version if answer and answer.node else "",
        seconds=answer.seconds if answer and answer.node else None,
    )


def _named(environment: str, answer: EdgeAnswer) -> Subject:
    word = WORD.get(answer.said, "unknown")
    return Subject("name", environment, "", answer.name, word, answer.reason, seconds=answer.seconds)
