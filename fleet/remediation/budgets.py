"""How often an action may be taken, and how often it was; counted from the moment on at which it was decided."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from fleet.remediation import limits
from fleet.remediation.actions import DESTRUCTIVE, Action, Intervention
from fleet.remediation.moments import Moment
from fleet.remediation.state import State


@dataclass(frozen=True, slots=True)
class Budget:
    """So many times, of which so many are spent; and, once something is decided, what is spent after it."""

    name: str
    limit: int
    before: int
    after: int

    @property
    def left(self) -> int:
        """How often it may still be done; never less than none."""
        return max(0, self.limit - self.before)

    def __str__(self) -> str:
        """For people."""
        return f"{self.name}: {self.before} of {self.limit} spent"


def budgets(state: State, action: Action, now: Moment) -> tuple[Budget, ...]:
    """All budgets that an action draws on, not drawn on yet."""
    return tuple(Budget(name, limit, spent, spent) for name, limit, spent in _counted(state, action, now))


def spend(found: Iterable[Budget]) -> tuple[Budget, ...]:
    """The budgets once the action is taken."""
    return tuple(Budget(one.name, one.limit, one.before, one.before + 1) for one in found)


def restarts(state: State, now: Moment) -> list[Moment]:
    """Restarts within the window, the watchdog's among them."""
    ours = [step.at for step in state.took("restart")]
    return [at for at in (*ours, *state.service.restarts) if now.since(at) <= limits.RESTART_WINDOW]


def wait_before_restart(state: State, now: Moment) -> float:
    """Seconds that are still to pass before the next restart: a growing pause, with a jitter of the target's own."""
    steady = state.case.steady
    since = [at for at in restarts(state, now) if steady is None or at.since(steady) > 0]
    pause = max(limits.FIRST_RESTART, min(limits.BACKOFF_LIMIT, limits.BACKOFF * 2.0 ** len(since)))
    begun = [state.case.down.since] if state.case.down else []
    passed = min((now.since(at) for at in (*begun, *since)), default=0.0)
    return max(0.0, pause * (1 + limits.JITTER * _share(f"{state.target.key} {len(since)}")) - passed)


def in_flight_limit(droplets: int) -> int:
    """How many droplets may be power-cycled or replaced at once."""
    return max(1, droplets * limits.IN_FLIGHT_PERCENT // 100) if droplets >= limits.IN_FLIGHT_FROM else 1


def _counted(state: State, action: Action, now: Moment) -> list[tuple[str, int, int]]:
    within = [one for one in state.fleet.interventions if now.since(one.at) <= limits.DAY]
    in_flight = sum(one.runs(now) for one in within)
    at_once = ("power cycles and replacements at once", in_flight_limit(state.fleet.droplets), in_flight)
    match action:
        case "restart":
            return [("restarts in 30 min", limits.RESTARTS, len(restarts(state, now)))]
        case "rollback":
            return [("rollbacks of this deploy", 1, int(_is_rolled_back(state)))]
        case "recreate":
            return [("recreations in an hour", limits.RECREATIONS, _taken(state, action, now, limits.RECREATE_WINDOW))]
        case "restart agent" | "power-cycle":
            spent = sum(_taken(state, one, now, limits.DAY) for one in _REVIVALS)
            own = ("agent restarts and power cycles of this droplet in a day", limits.REVIVALS, spent)
            return [own, at_once] if action in DESTRUCTIVE else [own]
        case "replace":
            return [at_once, *_replacements(state, within, now)]
        case "remove from DNS":
            return [("DNS removals in 30 min", limits.DNS_REMOVALS, _taken(state, action, now, limits.DNS_WINDOW))]
    return []


_REVIVALS: tuple[Action, ...] = ("restart agent", "power-cycle")


def _replacements(state: State, within: Iterable[Intervention], now: Moment) -> list[tuple[str, int, int]]:
    done = [one for one in within if one.action == "replace"]
    lately = sum(now.since(one.at) <= limits.HOUR for one in done)
    own = sum(state.target.droplet in (one.droplet, one.successor) for one in done)
    return [
        ("replacements in an hour", limits.REPLACEMENTS_AN_HOUR, lately),
        ("replacements in a day", limits.REPLACEMENTS_A_DAY, len(done)),
        ("replacements of this droplet in a day", limits.REPLACEMENTS_OF_ONE, own),
    ]


def _is_rolled_back(state: State) -> bool:
    deploy = state.service.deploy
    return deploy is not None and any(one.release == deploy.release for one in state.rollbacks)


def _taken(state: State, action: Action, now: Moment, window: float) -> int:
    return sum(now.since(step.at) <= window for step in state.took(action))


def _share(key: str) -> float:
    """A number from 0 to 1 that is always the same for the same words: a decision must be repeatable."""
    return int.from_bytes(sha256(key.encode()).digest()[:4], "big") / 0xFFFFFFFF
