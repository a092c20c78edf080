"""Calls about the agent's own version."""

from __future__ import annotations

import httpx

from agent import wire
from agent.client.transport import checked, json_body, parsed, timeout_of, translated

SECONDS = 60.0
"""How long an agent may take to receive another version."""


class UpgradeClient:
    """Calls of one agent about which version it is."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def read(self) -> wire.Upgrade:
        """Which version runs, and how far the last upgrade has come."""
        with translated():
            reply = self._http.get("/upgrade")
        return parsed(wire.Upgrade, checked(reply))

    def order(self, order: wire.UpgradeOrder, bundle: bytes) -> wire.Upgrade:
        """Have this version installed and tried; refused while anybody holds a lease on the droplet."""
        params = order.model_dump(mode="json")
        with translated():
            reply = self._http.post("/upgrade", params=params, content=bundle, timeout=timeout_of(SECONDS))
        return parsed(wire.Upgrade, checked(reply))

    def confirm(self, wheel: str) -> wire.Upgrade:
        """Keep the version that runs, which must be this one."""
        with translated():
            reply = self._http.post("/upgrade/confirm", **json_body(wire.Confirm(wheel=wheel)))
        return parsed(wire.Upgrade, checked(reply))
