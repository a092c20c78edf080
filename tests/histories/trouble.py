"""What goes wrong during one run: values that say themselves, each with a block for as long as it lasts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol

from fleet.errors import PermanentError, TransientError
from tests.fakes.router import Crashes, Killed
from tests.flows.machines import Machine
from tests.histories.lane import Lane

CHANGING = ("ensure", "remove", "act", "tag", "add", "discard")
"""Verbs of the calls that change something in a cloud."""


class Other(Protocol):
    """The run of another controller."""

    def run(self, lane: Lane) -> None:
        """From its beginning to its end."""


class Trouble(Protocol):
    """Something that goes wrong."""

    def lasting(self, lane: Lane) -> Iterator[None]:
        """Until the iterator goes on."""


@dataclass(frozen=True)
class CloudFails:
    """A call of a cloud fails, once or for good."""

    at: int
    for_good: bool = False

    def lasting(self, lane: Lane) -> Iterator[None]:
        """Counts the calls of both clouds."""
        calls: list[str] = []

        def listen(call: str) -> None:
            if call.startswith("agent."):
                return
            calls.append(call)
            if len(calls) == self.at or (self.for_good and len(calls) > self.at and call == calls[self.at - 1]):
                raise (PermanentError if self.for_good else TransientError)(f"{call} fails.")

        return _listening(lane, listen)


@dataclass(frozen=True)
class ReplyLost:
    """A cloud does what it is asked, and its answer is lost."""

    call: Literal["dns.ensure", "droplets.ensure"]

    def lasting(self, lane: Lane) -> Iterator[None]:
        """Once."""
        faults = (lane.fleet.dns if self.call == "dns.ensure" else lane.fleet.cloud).faults
        faults.fail(self.call, TransientError("The answer was lost."), lost_reply=True)
        try:
            yield
        finally:
            faults.after.clear()


@dataclass(frozen=True)
class CloudflareDown:
    """Cloudflare answers nothing, from its call of this number on."""

    at: int = 1

    def lasting(self, lane: Lane) -> Iterator[None]:
        """All calls, and what they are tried again."""
        calls: list[str] = []

        def listen(call: str) -> None:
            calls.extend([call] if call.startswith("dns.") else [])
            if call.startswith("dns.") and len(calls) >= self.at:
                raise TransientError("Cloudflare does not answer.")

        return _listening(lane, listen)


@dataclass(frozen=True)
class Ill:
    """No container that starts on one machine is well."""

    machine: int
    how: Literal["crashing", "mute", "unstartable"] = "crashing"

    def lasting(self, lane: Lane) -> Iterator[None]:
        """Whatever its release is called."""
        engine = _machine(lane, self.machine).engine
        setattr(engine, self.how, _Every())
        try:
            yield
        finally:
            setattr(engine, self.how, set())


@dataclass(frozen=True)
class NginxRefuses:
    """Nginx of one machine takes no other table."""

    machine: int

    def lasting(self, lane: Lane) -> Iterator[None]:
        """It goes on with the one that it has."""
        router = _machine(lane, self.machine).router
        router.refusing = "it was told to"
        try:
            yield
        finally:
            router.refusing = ""


@dataclass(frozen=True)
class AgentDies:
    """The agent of one machine dies at one of its calls of Docker, or of nginx, before or after it is done."""

    machine: int
    at: int
    done: bool = False
    nginx: bool = False

    def lasting(self, lane: Lane) -> Iterator[None]:
        """Once; systemd starts it again."""
        machine = _machine(lane, self.machine)
        crashes: Crashes = (machine.router if self.nginx else machine.engine).crashes
        crashes.at(self.at, done=self.done)
        try:
            yield
        finally:
            crashes.disarm()


@dataclass(frozen=True)
class Kill:
    """The controller dies just before its change of this number, which is just after the one before.

    What happens at once happens in the order of the plan, or backwards, so that either of two may have come first.
    """

    at: int
    backwards: bool = False

    def lasting(self, lane: Lane) -> Iterator[None]:
        """Whatever the run still tries comes to nothing, as its process is gone."""
        changes: list[str] = []

        def listen(call: str) -> None:
            if len(changes) < self.at and (call.startswith("agent.") or call.rpartition(".")[2] in CHANGING):
                changes.append(call)
            if len(changes) >= self.at:
                raise Killed(call)

        lane.runs.backwards = self.backwards
        try:
            yield from _listening(lane, listen)
        finally:
            lane.runs.backwards = False


@dataclass(frozen=True)
class Cancel:
    """Somebody cancels the run just before its change of this number.

    It is told once, where it waits; what it has begun on other threads goes on, before or, backwards, after all else.
    """

    at: int
    backwards: bool = False

    def lasting(self, lane: Lane) -> Iterator[None]:
        """It may take back what it has done."""
        changes: list[str] = []

        def listen(call: str) -> None:
            if call.startswith("agent.") or call.rpartition(".")[2] in CHANGING:
                changes.append(call)
                if len(changes) == self.at:
                    raise KeyboardInterrupt

        lane.runs.backwards = self.backwards
        try:
            yield from _listening(lane, listen)
        finally:
            lane.runs.backwards = False


@dataclass(frozen=True)
class Overtaken:
    """The controller sleeps before its call of an agent of this number; its locks end, another run comes and goes.

    Not while it asks for its locks: nothing guards DNS from a controller that sleeps between that and its next call.
    """

    at: int
    by: Other

    def lasting(self, lane: Lane) -> Iterator[None]:
        """Then it wakes up, and knows nothing of it."""
        calls: list[str] = []

        def listen(call: str) -> None:
            calls.extend([call] if call.startswith("agent.") and "/leases/" not in call else [])
            if len(calls) == self.at:
                calls.append("asleep")
                lane.sleep_through(lambda: self.by.run(lane))

        return _listening(lane, listen)


@contextmanager
def suffering(trouble: Trouble | None, lane: Lane) -> Iterator[None]:
    """The trouble, if any, for as long as the block lasts; one of a machine needs a machine."""
    if trouble is None or (hasattr(trouble, "machine") and not lane.standing):
        yield
        return
    yield from trouble.lasting(lane)


class _Every(set[str]):
    """All releases, whatever they will be called."""

    def __contains__(self, _: object) -> bool:
        return True


def _machine(lane: Lane, number: int) -> Machine:
    return lane.standing[number % len(lane.standing)]


def _listening(lane: Lane, listen: Callable[[str], None]) -> Iterator[None]:
    lane.listeners.append(listen)
    try:
        yield
    finally:
        lane.listeners.remove(listen)
