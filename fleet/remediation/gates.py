"""The seven gates. Each is looked at for whatever is considered, and says why it is open or shut."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fleet.remediation import limits
from fleet.remediation.actions import NEEDS, Action, GateName
from fleet.remediation.history import lasted
from fleet.remediation.moments import Moment
from fleet.remediation.observations import Calls, Check, Observation, SelfTest, alive, dead, is_off
from fleet.remediation.state import Fleet, Lease, Pause, State, is_called


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate in one decision."""

    name: GateName
    title: str
    needed: bool
    """Whether what is considered has to pass it."""
    passed: bool
    reason: str

    @property
    def blocks(self) -> bool:
        """Whether nothing is done because of it."""
        return self.needed and not self.passed


@dataclass(frozen=True, slots=True)
class Question:
    """What the gates are asked."""

    state: State
    seen: Sequence[Observation]
    action: Action
    now: Moment


def gates(question: Question) -> tuple[Gate, ...]:
    """All seven, in order."""
    needed = NEEDS[question.action]
    made = []
    for name, (title, ask) in _GATES.items():
        reason, passed = ask(question)
        made.append(Gate(name, title, name in needed, passed, reason))
    return tuple(made)


def may_go_on(state: State, now: Moment) -> tuple[str, bool]:
    """Whether a step that has begun may go on after a safe point: a person's operation or pause stops it there."""
    return _operations(Question(state, (), "none", now))


def self_test_failures(test: SelfTest) -> list[str]:
    """What of the self-test did not pass; what was not tried did not."""
    tried: list[tuple[str, Check | None]] = [("the provider's API", test.provider), ("Prefect's API", test.prefect)]
    failed = [f"{name} {_detail(check)}" for name, check in tried if check is None or not check.passed]
    failed += [f"{check.name} {_detail(check)}" for check in test.public if not check.passed]
    if len({check.name for check in test.public}) < limits.PUBLIC_TARGETS:
        failed.append(f"fewer than {limits.PUBLIC_TARGETS} public addresses were tried")
    if test.skew is None:
        failed.append("the clock was compared with no other")
    elif abs(test.skew) > limits.CLOCK_SKEW:
        failed.append(f"the clock is {abs(test.skew):.0f} s off")
    return failed


def breaker_limit(droplets: int) -> int:
    """How many droplets of so many may be in trouble while anything is done about one."""
    return max(1, droplets * limits.BREAKER_PERCENT // 100)


def is_incident(calls: Calls) -> bool:
    """Whether the provider fails so many calls that the trouble is its own."""
    failed, total = limits.INCIDENT
    return calls.failed >= failed and calls.failed * total >= failed * calls.total


def breaker(fleet: Fleet) -> tuple[str, bool]:
    """G3: too much trouble at once has another reason than each of the droplets."""
    limit = breaker_limit(fleet.droplets)
    if is_incident(fleet.provider):
        return f"the provider failed {fleet.provider.failed} of the last {fleet.provider.total} calls", False
    told = f"{fleet.suspects} of {fleet.droplets} agents do not answer, of {limit} that may be silent"
    return told, fleet.suspects <= limit


def unhelpful(fleet: Fleet, now: Moment) -> int:
    """Replacements of late that did not become healthy."""
    ends = (one.failed(now) for one in fleet.interventions if one.action == "replace")
    return sum(end is not None and now.since(end) <= limits.UNHELPFUL_WINDOW for end in ends)


def _detail(check: Check | None) -> str:
    return f"does not pass{f' ({check.detail})' if check.detail else ''}" if check else "was not tried"


def _self_test(question: Question) -> tuple[str, bool]:
    failed = self_test_failures(question.state.fleet.self_test)
    return "; ".join(failed) or "the controller sees the provider, the world and Prefect, at the right time", not failed


def _witnesses(question: Question) -> tuple[str, bool]:
    living, gone = alive(question.seen), dead(question.seen)
    if living:
        return f"{', '.join(living)}: somebody is alive", False
    if len(gone) < limits.WITNESSES:
        return f"{', '.join(gone) or 'nobody'} of {limits.WITNESSES} says that it is dead", False
    needed, lasting = _dead_for(question), lasted(question.state.case.down, question.now)
    told = f"{', '.join(gone)} say that it is dead, since {lasting:.0f} s"
    if not question.state.case.is_down:
        return f"{told}, which is not confirmed yet", False
    return f"{told} of {needed:.0f} s", lasting >= needed


def _dead_for(question: Question) -> float:
    """Seconds for which it has to be dead: none for what is undone as easily as it is done."""
    if question.action == "remove from DNS":
        return 0.0
    if is_off(question.seen):
        return limits.DEAD_FOR_OFF
    return limits.SILENCE if question.action == "power-cycle" else limits.DEAD_FOR


def _breaker(question: Question) -> tuple[str, bool]:
    return breaker(question.state.fleet)


def _operations(question: Question) -> tuple[str, bool]:
    state = question.state
    others = [_lease(lease) for lease in state.leases if not lease.ours]
    paused = [str(pause) for pause in state.pauses if _holds(pause, state, question.now)]
    return "; ".join([*others, *paused]) or "no operation and no pause", not (others or paused)


def _lease(lease: Lease) -> str:
    return f"{lease.holder} holds the lock of {lease.container}"


def _holds(pause: Pause, state: State, now: Moment) -> bool:
    if pause.until is not None and pause.until <= now.utc:
        return False
    target = state.target
    services = (target.container,) if target.container else state.droplet.services
    match pause.scope:
        case "everything":
            return True
        case "service":
            return any(is_called(one, pause.name) for one in services)
        case "droplet":
            return pause.name == target.name


def _identity(question: Question) -> tuple[str, bool]:
    state, target = question.state, question.state.target
    if target.droplet <= 0 or not target.name:
        return "no droplet is named", False
    found = state.namesakes
    return f"{found} droplet(s) are {target.droplet} or {target.name}, by whole id and name", found == 1


def _replaceable(question: Question) -> tuple[str, bool]:
    facts = question.state.droplet
    if not facts.replaceable:
        return "nobody has opted in to its replacement", False
    if facts.data is None:
        return "nobody knows whether data would be lost", False
    if facts.data:
        return f"data would be lost: {', '.join(facts.data)}", False
    return "it may be replaced, and no data is lost with it", True


def _helpful(question: Question) -> tuple[str, bool]:
    fleet = question.state.fleet
    if fleet.suspension:
        return f"suspended since {fleet.suspension.since.utc:%Y-%m-%d %H:%M} UTC: {fleet.suspension.why}", False
    count = unhelpful(fleet, question.now)
    return f"{count} replacement(s) in 2 h did not help", count < limits.UNHELPFUL


_GATES: dict[GateName, tuple[str, Callable[[Question], tuple[str, bool]]]] = {
    "G1": ("the controller sees", _self_test),
    "G2": ("witnesses agree", _witnesses),
    "G3": ("breaker", _breaker),
    "G4": ("people first", _operations),
    "G5": ("exact identity", _identity),
    "G6": ("replaceable", _replaceable),
    "G7": ("replacements help", _helpful),
}
