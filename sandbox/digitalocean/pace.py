"""How long things take: DigitalOcean's own times, made shorter by one factor."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

ADDRESS_SECONDS = 6.0
ACTIVE_SECONDS = 25.0
ACTION_SECONDS = 5.0
SNAPSHOT_SECONDS = 40.0
FIREWALL_SECONDS = 4.0


@dataclass(frozen=True)
class Pace:
    """A factor on all times: 1 is as slow as DigitalOcean, 0 as quick as this machine can."""

    factor: float = 0.1

    async def wait(self, seconds: float) -> None:
        """Waits for so many of DigitalOcean's seconds."""
        await asyncio.sleep(seconds * self.factor)
