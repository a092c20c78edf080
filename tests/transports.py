"""The end of an event loop whose servers have stopped."""

from __future__ import annotations

import asyncio
from typing import Any


async def abort_all() -> None:
    """Cuts what still lingers on the running loop: a TLS connection waits long for the other side's goodbye."""
    loop: Any = asyncio.get_running_loop()
    for transport in list(loop._transports.values()):
        transport.abort()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
