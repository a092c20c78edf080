"""The calls about the droplet as the edge's origin."""

from __future__ import annotations

from agent import wire
from agent.client.calls import Calls


class OriginClient(Calls):
    """The certificate that nginx shows, and whom it admits."""

    def read(self) -> wire.Origin:
        """How it is."""
        return self._call(wire.Origin, "GET", "/origin")

    def request(self, names: tuple[str, ...]) -> str:
        """A signing request (PEM) for these names, by the key that stays on the droplet."""
        body = wire.OriginRequest(names=names)
        return self._call(wire.SigningRequest, "POST", "/origin/request", body).csr

    def install(self, body: wire.OriginCertificate) -> wire.Origin:
        """Have nginx show it, and admit whom it says."""
        return self._call(wire.Origin, "PUT", "/origin", body)
