"""The work pool's queues: who waits behind whom when a controller has much to do."""

from __future__ import annotations

from typing import Final

PEOPLE: Final = "default"
"""What people and programs start: its runs may wait an hour for an approval, or minutes for a lock."""
ROUNDS: Final = "rounds"
"""What is scheduled; none of it waits for anybody."""
HEALING: Final = "healing"
"""What a health round starts; its runs may wait for a lock."""
LIMITS: Final = {PEOPLE: None, ROUNDS: None, HEALING: 4}
"""How many runs of a queue go on at once, besides what its worker carries out at all (`deployments.server`)."""
