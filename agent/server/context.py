"""What the routes share: settings, adapters, and the things made of them once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import agent
from agent import wire
from agent.server import containers
from agent.server.cursors import Cursors
from agent.server.drills import Drills
from agent.server.images import Images
from agent.server.leases import Leases
from agent.server.manifests import Manifests
from agent.server.own_key import OwnKey
from agent.server.pauses import Pauses
from agent.server.peers import Peers
from agent.server.ports import Engine, Router
from agent.server.settings import Settings
from agent.server.slots import Service
from agent.server.upgrades import Upgrades
from agent.server.uploads import Uploads
from agent.server.vigil import Vigil
from agent.server.watchdog import Watchdog
from agent.server.work import Work


@dataclass(frozen=True)
class Context:
    """One agent's parts."""

    settings: Settings
    engine: Engine
    router: Router
    work: Work
    leases: Leases
    images: Images
    uploads: Uploads
    cursors: Cursors
    peers: Peers
    upgrades: Upgrades
    watchdog: Watchdog
    drills: Drills
    vigil: Vigil
    pauses: Pauses
    own_key: OwnKey
    manifests: Manifests
    stop: Callable[[], None]
    """Ends the process once the present answer is out; systemd starts it again."""

    def ping(self) -> wire.Ping:
        """Alive."""
        return wire.Ping(ok=True, version=agent.__version__, api=wire.API_VERSION)

    async def change(self, name: str, fencing: int | None, function: Callable[[Service], bool]) -> wire.Changed:
        """Do something to a service, alone and under the lease with this number, and say how it is then.

        Raises:
            Failure: 428 `lease_required` or 409 `fenced`, nothing has been changed; and what `function` raises.
        """
        async with self.work.exclusive(name):
            return await self.work.call(self._change, name, fencing, function)

    def _change(self, name: str, fencing: int | None, function: Callable[[Service], bool]) -> wire.Changed:
        self.leases.check(name, fencing)
        changed = function(Service(self.engine, self.router, name))
        self.peers.follow(name)
        found = self.engine.instances(name)
        return wire.Changed(changed=changed, containers=containers.describe(found, self.router))
