"""Time that goes by only when somebody waits: the same for the controller, for every agent and for the clouds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo

from agent.server.leases import Moment
from blocks.environment import Environment
from tasks.locks import RENEWALS

LEASE_SECONDS = float(Environment.model_fields["lease_seconds"].default)
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Time:
    """Stands in for the module `time`, for the class `datetime`, and for the agents' clock.

    While it does, the locks that a run holds are renewed, as its thread would do it.
    """

    def __init__(self) -> None:
        self._seconds = self._renewed = 0.0
        self.renewals: list[Callable[[], object]] = []
        self.asking = False
        """Whether it is an agent that waits: what is due meanwhile happens once it has answered."""

    def begin(self) -> None:
        """The same for every fleet."""
        self._seconds = self._renewed = 0.0

    def monotonic(self) -> float:
        """Seconds since some time before."""
        return self._seconds

    def now(self, _zone: tzinfo = UTC) -> datetime:
        """What the clock on the wall says."""
        return NOON + timedelta(seconds=self._seconds)

    def moment(self) -> Moment:
        """Now, for an agent."""
        return Moment("boot-1", self._seconds, self.now())

    def sleep(self, seconds: float) -> None:
        """Time goes by."""
        end = self._seconds + seconds
        while not self.asking and (due := self._renewed + LEASE_SECONDS / RENEWALS) <= end:
            self._seconds = self._renewed = due
            for renew in list(self.renewals):
                renew()
        self._seconds = end
