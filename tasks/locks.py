"""Locks: one run at a time changes a service, whichever controller it belongs to.

The lock is a lease on every droplet concerned, held by the droplets' agents: each gives a fencing number, which every
change there carries. A run that ends frees them; one that is killed leaves them to end by themselves; and one that
sleeps and wakes up late is refused by the agents, whatever it believes. Nothing here depends on Prefect's limits.
"""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event, Thread
from threading import Lock as Mutex
from typing import Any, Final, Literal, ParamSpec, TypeVar

from prefect import Task, get_run_logger
from prefect.client.schemas.objects import State, TaskRun
from prefect.runtime import flow_run

from agent import wire
from blocks.environment import Environment
from fleet.errors import HostsFailed, PermanentError
from fleet.state import Droplet, World
from tasks.agents import Busy, Fenced, Leased, reach
from tasks.policy import RETRIES, is_transient, reason, step

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
Held = tuple[Droplet, int]
"""Where, and the number of the lease there."""
WhenLocked = Literal["wait", "fail"]
PATIENCE: dict[WhenLocked, timedelta] = {"wait": timedelta(minutes=15), "fail": timedelta(0)}
"""How long a run waits for another one that holds the lock."""
RENEWALS = 3
"""How often a lease is renewed before it would end: `Environment.lease_seconds` after its holder's death."""
POLL = timedelta(seconds=5)
AT_ONCE: Final = 32
LONGEST_HOLDER: Final = 200
LAST_RENEWAL_SECONDS: Final = 5.0
"""What the end of a run waits for a renewal that is under way; a freed lease is not renewed by it any more."""


@dataclass(frozen=True)
class Lock:
    """The lock of one service on some droplets."""

    name: str
    """The container's name."""
    fencing: Mapping[str, int]
    """The number of its lease, by droplet."""
    keeper: Keeper = field(repr=False, compare=False)

    def number(self, droplet: Droplet) -> int:
        """What a change on this droplet has to carry.

        Raises:
            PermanentError: the lock does not extend to it.
        """
        if droplet.name not in self.fencing:
            raise PermanentError(
                f"{self.name} is to be changed on {droplet.name}, where this run holds no lock.",
                hint="This is a mistake of the flow: report it. Nothing was changed there.",
            )
        return self.fencing[droplet.name]

    def extend(self, droplets: Sequence[Droplet]) -> Lock:
        """The lock with these droplets too, taken in the order of their names.

        Raises:
            HostsFailed: what was held until now is lost: whoever slept through his lock goes no further with a new one.
        """
        wider = Lock(self.name, self.keeper.take(droplets), self.keeper)
        if self.fencing:
            self.confirm()
        return wider

    def confirm(self) -> None:
        """Renew it now: asked right before what no agent guards, such as DNS and droplets.

        A droplet that does not answer, or that was just restarted, does not end it, as long as another one confirms it.

        Raises:
            HostsFailed: another run holds it somewhere, or no droplet confirms it.
        """
        failures = self.keeper.renew()
        taken = any(isinstance(error, Fenced) and error.holder for error in failures.values())
        if taken or (failures and len(failures) == len(self.fencing)):
            reasons = {droplet: reason(error) for droplet, error in failures.items()}
            raise HostsFailed(f"Keeping the lock of {self.name}", reasons, len(self.fencing))

    def holds(self) -> bool:
        """Whether it can be confirmed now; if not, the log says why."""
        try:
            self.confirm()
        except HostsFailed as error:
            get_run_logger().error("%s", error.message)
            return False
        return True

    def leave(self, droplets: Sequence[Droplet]) -> Lock:
        """The lock without these droplets, freed there: they are about to be destroyed."""
        return Lock(self.name, self.keeper.give_back(droplets), self.keeper)


@contextmanager
def hold(name: str, droplets: Sequence[Droplet], environment: Environment, patience: timedelta) -> Iterator[Lock]:
    """The lock of a service on these droplets for as long as the block lasts.

    Args:
        name: the container's name.
        droplets: where; each will be asked in the order of the names, so that no two runs wait for each other.
        environment: whose token opens the way to the agents.
        patience: how long to wait for another run; zero: not at all. See `PATIENCE`.

    Raises:
        Leased: another run holds it; the message says who, and since when.
        TransientError: a droplet did not answer.
    """
    keeper = Keeper(name, holder(), environment, patience)
    try:
        yield Lock(name, {}, keeper).extend(droplets)
    finally:
        keeper.close()


@contextmanager
def hold_each(
    names: Sequence[str], droplets: Sequence[Droplet], environment: Environment, patience: timedelta
) -> Iterator[dict[str, Lock]]:
    """The locks of several services, each as by `hold`, in the order of their names; by name."""
    with ExitStack() as stack:
        wanted = sorted(set(names))
        yield {name: stack.enter_context(hold(name, droplets, environment, patience)) for name in wanted}


def concerned(world: World, droplet: str | None = None) -> list[Droplet]:
    """Where a run has to hold the lock: on every droplet of the environment that answers, or on the only one meant.

    All of them, because where a service runs is for the plan to say, and two runs may have planned differently.
    """
    return [host.droplet for host in world.hosts if host.error is None and droplet in (None, host.droplet.name)]


def holder() -> str:
    """Who asks, for people; a run that Prefect tries again on the same machine is the same holder."""
    rest = f" ({flow_run.id}) on {socket.gethostname()}"
    name = "".join(letter if letter.isprintable() else " " for letter in flow_run.name or "a run")
    return name[: LONGEST_HOLDER - len(rest)] + rest


@step("{droplet.name}: lock {name}")
def take(droplet: Droplet, name: str, who: str, environment: Environment) -> int:
    """Takes the lease of a service on a droplet, or finds that this holder has it already; gives its number."""
    with reach(environment, droplet) as agent:
        return agent.take_lease(name, _request(who, environment)).fencing


class Keeper:
    """Keeps the leases of one run alive until it is closed."""

    def __init__(self, name: str, who: str, environment: Environment, patience: timedelta) -> None:
        self._name, self._who, self._environment, self._patience = name, who, environment, patience
        self._held: dict[str, Held] = {}
        self._mutex, self._over = Mutex(), Event()
        self._log = get_run_logger()
        self._thread = Thread(target=self._renew_until_closed, name=f"lock of {name}", daemon=True)
        self._thread.start()

    def take(self, droplets: Sequence[Droplet]) -> dict[str, int]:
        """Take the leases that are not held yet; gives the numbers of all by droplet."""
        attempt = patient(take, time.monotonic() + self._patience.total_seconds(), self._patience)
        for droplet in sorted(droplets, key=lambda one: one.name):
            if droplet.name not in self._held:
                number = attempt(droplet, self._name, self._who, self._environment)
                with self._mutex:
                    self._held[droplet.name] = (droplet, number)
        return {name: number for name, (_, number) in self._held.items()}

    def renew(self) -> dict[str, Exception]:
        """Renew all now; gives why not by droplet, and logs it."""
        with self._mutex:
            held = list(self._held.values())
        failures = {name: error for name, error in at_once(self._renew, held) if error}
        for name, error in failures.items():
            if name in self._held:
                self._log.error("The lock of %s is not renewed on %s: %s", self._name, name, reason(error))
        return failures

    def give_back(self, droplets: Sequence[Droplet]) -> dict[str, int]:
        """Free the leases on these droplets; gives the numbers of the rest."""
        with self._mutex:
            found = [self._held.pop(one.name) for one in droplets if one.name in self._held]
        at_once(self._free, found)
        return {name: number for name, (_, number) in self._held.items()}

    def close(self) -> None:
        """Free them all; what cannot be reached ends by itself."""
        self._over.set()
        self.give_back([droplet for droplet, _ in self._held.values()])
        self._thread.join(LAST_RENEWAL_SECONDS)

    def _renew_until_closed(self) -> None:
        while not self._over.wait(self._environment.lease_seconds / RENEWALS):
            self.renew()

    def _renew(self, held: Held) -> tuple[str, Exception | None]:
        droplet, number = held
        try:
            with reach(self._environment, droplet, fencing=number) as agent:
                agent.take_lease(self._name, _request(self._who, self._environment))
        except Exception as error:  # all of them have to be told; the agents refuse what must not be done
            return droplet.name, error
        return droplet.name, None

    def _free(self, held: Held) -> None:
        droplet, number = held
        try:
            with reach(self._environment, droplet, fencing=number) as agent:
                agent.free_lease(self._name)
        except Exception as error:  # the others have to be freed as well
            seconds = self._environment.lease_seconds
            self._log.warning("A lock ends by itself within %d s, for it was not freed: %s", seconds, error)


def at_once(call: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """The results in order."""
    with ThreadPoolExecutor(min(AT_ONCE, len(items) or 1)) as pool:
        return list(pool.map(call, items))


def _request(who: str, environment: Environment) -> wire.LeaseRequest:
    return wire.LeaseRequest(holder=who, seconds=environment.lease_seconds)


def patient(task: Task[P, R], deadline: float, patience: timedelta) -> Task[P, R]:
    """A step that is refused while another run holds a lock, tried again until the deadline (of `time.monotonic`)."""

    def may_help(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
        error = state.result(raise_on_failure=False)
        if isinstance(error, Leased) or (isinstance(error, Busy) and patience):
            return time.monotonic() < deadline
        return run.run_count <= RETRIES and is_transient(task, run, state)

    attempts = math.ceil(patience / POLL) + RETRIES
    return task.with_options(retries=attempts, retry_delay_seconds=POLL.total_seconds(), retry_condition_fn=may_help)
