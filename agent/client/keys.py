"""Calls about the droplet's own key."""

from __future__ import annotations

import httpx

from agent import wire
from agent.client.transport import checked, json_body, parsed, translated


class KeyClient:
    """Calls of one agent about the key that it answers to."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def read(self) -> wire.KeyState:
        """Since when it has its key, and whether the one before is still good."""
        return self._call("GET", "/key")

    def turn(self, secret: str) -> wire.KeyState:
        """Have it answer to another one; it comes back under that, and the API key before is good until `confirm`."""
        return self._call("PUT", "/key", wire.Turn(secret=secret))

    def confirm(self) -> wire.KeyState:
        """Have it forget the key before; only under the one that it has now."""
        return self._call("POST", "/key/confirm")

    def _call(self, method: str, path: str, body: wire.Request | None = None) -> wire.KeyState:
        with translated():
            reply = self._http.request(method, path, **json_body(body))
        return parsed(wire.KeyState, checked(reply))
