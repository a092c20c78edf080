"""The calls about drills."""

from __future__ import annotations

import httpx

from agent import wire
from agent.client.calls import Calls


class DrillClient(Calls):
    """Drills of one droplet, under the lease of this name and number."""

    def __init__(self, http: httpx.Client, name: str, fence: dict[str, str]) -> None:
        super().__init__(http)
        self._path, self._fence = f"/drills/{name}", fence

    def read(self) -> wire.Drill:
        """The last one, and whether another may begin."""
        return self._call(wire.Drill, "GET", "/drills")

    def allow(self, seconds: int) -> wire.Drill:
        """Let drills begin for so long; 0: none may from now on."""
        body = wire.DrillPermission(seconds=seconds)
        return self._call(wire.Drill, "PUT", f"{self._path}/permission", body, headers=self._fence)

    def begin(self, order: wire.DrillOrder) -> wire.Drill:
        """Have the fault happen; it ends by itself."""
        return self._call(wire.Drill, "POST", self._path, order, headers=self._fence)

    def end(self) -> wire.Drill:
        """Have the fault undone now; one that is over is fine."""
        return self._call(wire.Drill, "DELETE", self._path, headers=self._fence)
