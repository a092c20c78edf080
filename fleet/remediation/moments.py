"""When something happened, on the controller's own clocks, so that setting a clock neither ages nor rejuvenates it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Moment:
    """A time twice over: for people and for the time across a reboot, and for everything else.

    All moments of a round are the controller's. What an agent saw is told as an age on the agent's clock, and becomes a
    moment here by `earlier`; so a droplet's clock may be wrong by any amount.
    """

    utc: datetime
    monotonic: float
    """Seconds since the controller's boot, asleep or not."""
    boot: str = ""
    """Which boot the seconds count from."""

    def since(self, earlier: Moment) -> float:
        """Seconds that have passed since then, never less than none; by the wall clock only across a reboot."""
        if self.boot == earlier.boot:
            return max(0.0, self.monotonic - earlier.monotonic)
        return max(0.0, (self.utc - earlier.utc).total_seconds())

    def earlier(self, seconds: float) -> Moment:
        """The moment so many seconds ago."""
        return Moment(self.utc - timedelta(seconds=seconds), self.monotonic - seconds, self.boot)

    def later(self, seconds: float) -> Moment:
        """The moment so many seconds from then."""
        return self.earlier(-seconds)


def read_moment() -> Moment:
    """Now, by this machine's clocks (Linux)."""
    boot = BOOT_ID.read_text().strip()
    return Moment(datetime.now(UTC), time.clock_gettime(time.CLOCK_BOOTTIME), boot)
