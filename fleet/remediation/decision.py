"""What was decided about one target, with everything that it hung on."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.remediation.actions import DESTRUCTIVE, Action
from fleet.remediation.budgets import Budget
from fleet.remediation.gates import Gate
from fleet.remediation.state import Case, Target


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that a person is told, once for as long as it lasts."""

    kind: str
    """A word by which it is known again, e.g. `dead`."""
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What a ladder comes to, before it is written down: ready to be taken where `because` is empty."""

    considered: Action
    because: str
    reason: str
    names: tuple[str, ...] = ()
    conditions: tuple[Alert, ...] = ()
    """What a person should know for as long as it is so."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done about a target, or why nothing is."""

    target: Target
    action: Action
    considered: Action
    """What the ladder came to, which is not done where a gate, a budget or the pace is against it."""
    because: str
    """In a word what kept it from being done; empty: it is done."""
    reason: str
    """The same in a sentence."""
    case: Case
    """What is remembered of the target from now on."""
    names: tuple[str, ...] = ()
    """Names whose records are taken off the droplet, or given back; they are looked at again before that."""
    release: str = ""
    """The release that a rollback goes to."""
    alerts: tuple[Alert, ...] = ()
    """What is told now, and was not told before."""
    cleared: tuple[str, ...] = ()
    """Alerts that are over."""
    gates: tuple[Gate, ...] = ()
    budgets: tuple[Budget, ...] = ()

    @property
    def acts(self) -> bool:
        """Whether anything is changed outside: somebody has to carry it out, and to tell its outcome."""
        return self.action not in ("none", "hold", "suspend", "alert")

    @property
    def is_destructive(self) -> bool:
        """Whether it would hurt a target that was well after all."""
        return self.action in DESTRUCTIVE

    @property
    def blocked(self) -> tuple[Gate, ...]:
        """The gates that are against it."""
        return tuple(gate for gate in self.gates if gate.blocks)

    def __str__(self) -> str:
        """In a line."""
        return f"{self.target}: {self.action}: {self.reason}"
