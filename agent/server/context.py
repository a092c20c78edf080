"""What the routes share: settings, adapters, and the things made of them once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import agent
from agent import wire
from agent.server import containers
from agent.server.health import Cursors
from agent.server.images import Images
from agent.server.ports import Engine, Router
from agent.server.settings import Settings
from agent.server.slots import Service
from agent.server.work import Work


@dataclass(frozen=True)
class Context:
    """One agent's parts."""

    settings: Settings
    engine: Engine
    router: Router
    work: Work
    images: Images
    cursors: Cursors
    stop: Callable[[], None]
    """Ends the process once the present answer is out; systemd starts it again."""

    def ping(self) -> wire.Ping:
        """Alive."""
        return wire.Ping(ok=True, version=agent.__version__, api=wire.API_VERSION)

    async def change(self, name: str, function: Callable[[Service], bool]) -> wire.Changed:
        """Do something to a service, alone, and say how it is then."""
        async with self.work.exclusive(name):
            return await self.work.call(self._change, name, function)

    def _change(self, name: str, function: Callable[[Service], bool]) -> wire.Changed:
        changed = function(Service(self.engine, self.router, name))
        found = self.engine.instances(name)
        return wire.Changed(changed=changed, containers=containers.describe(found, self.router))
