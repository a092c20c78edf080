"""What can be done about a target, and which gates guard it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from fleet.remediation import limits
from fleet.remediation.moments import Moment

Action = Literal[
    "none",
    "restart",
    "rollback",
    "recreate",
    "restart agent",
    "power-cycle",
    "replace",
    "remove from DNS",
    "return to DNS",
    "hold",
    "suspend",
    "alert",
]
GateName = Literal["G1", "G2", "G3", "G4", "G5", "G6", "G7"]

NEEDS: Final[dict[Action, tuple[GateName, ...]]] = {
    "none": (),
    "restart": ("G1", "G4", "G5"),
    "rollback": ("G1", "G4", "G5"),
    "recreate": ("G1", "G4", "G5"),
    "restart agent": ("G1", "G3", "G4", "G5"),
    "power-cycle": ("G1", "G2", "G3", "G4", "G5", "G7"),
    "replace": ("G1", "G2", "G3", "G4", "G5", "G6", "G7"),
    "remove from DNS": ("G1", "G2", "G3", "G4", "G5"),
    "return to DNS": ("G1", "G4", "G5"),
    "hold": (),
    "suspend": (),
    "alert": (),
}
"""Without these an action is not taken. Holding, suspending and telling change nothing, and need none."""
DESTRUCTIVE: Final[frozenset[Action]] = frozenset({"power-cycle", "replace"})
"""What would hurt a droplet that was well after all."""
CHANGING: Final[frozenset[Action]] = frozenset({"rollback", "recreate", "power-cycle", "replace"})
"""After these, as after a deploy, a target is given time to settle."""


@dataclass(frozen=True, slots=True)
class Step:
    """An action that was taken on a target; its budget is spent from the moment on at which it was decided."""

    action: Action
    at: Moment
    decision: str = ""
    """The id of its record."""
    ended: Moment | None = None
    """None: nobody has told its outcome yet."""
    helped: bool | None = None
    """Whether it did what it was for; None: nobody knows yet, or it was cancelled."""

    def runs(self, now: Moment) -> bool:
        """Whether it is still under way; past its deadline it is not, whatever became of it."""
        return self.ended is None and now.since(self.at) < limits.DEADLINES.get(self.action, 0)


@dataclass(frozen=True, slots=True)
class Intervention:
    """A destructive step on any droplet of the fleet, as its budgets count it."""

    action: Action
    droplet: int
    at: Moment
    decision: str = ""
    ended: Moment | None = None
    helped: bool | None = None
    successor: int | None = None
    """The droplet that took its place."""

    def runs(self, now: Moment) -> bool:
        """Whether it is still under way."""
        return self.ended is None and now.since(self.at) < limits.DEADLINES[self.action]

    def failed(self, now: Moment) -> Moment | None:
        """Since when it is known not to have helped; None: it helped, was cancelled, or may yet help."""
        if self.ended:
            return self.ended if self.helped is False else None
        return None if self.runs(now) else self.at.later(limits.DEADLINES[self.action])
