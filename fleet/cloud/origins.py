"""Cloudflare behind the port `fleet.cloud.ports.Origins`: certificates for origins, and what the edge insists on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fleet.errors import PermanentError, Refused
from fleet.origins import VALID_DAYS, Pair, Pulls


class CloudflareOrigins:
    """The origins of one zone; making it makes no call.

    Args:
        call: makes one call of the SDK, with its errors in our two kinds.
        sdk: the vendor's client.
        zone_id: the zone's id.
    """

    def __init__(
        self, call: Callable[[Callable[[], Any]], Any], sdk: Callable[[], Any], zone_id: Callable[[], str]
    ) -> None:
        self._call, self._sdk, self._zone_id = call, sdk, zone_id

    def sign(self, csr: str, names: tuple[str, ...]) -> str:
        """A certificate (PEM) that the edge trusts, for a signing request."""
        authority = self._sdk().origin_ca_certificates
        fields = {"csr": csr, "hostnames": list(names), "request_type": "origin-ecc", "requested_validity": VALID_DAYS}
        made = self._ask(lambda: authority.create(**fields))
        if made is None or not made.certificate:
            raise PermanentError("Cloudflare signed an origin certificate, and did not give it.")
        return str(made.certificate)

    def read_mode(self) -> str:
        """How the edge speaks with origins: off, flexible, full or strict."""
        settings, zone_id = self._sdk().zones.settings, self._zone_id()
        return str(self._ask(lambda: settings.get("ssl", zone_id=zone_id)).value)

    def set_mode(self, mode: str) -> None:
        """Has the edge speak with origins so from now on."""
        settings, zone_id = self._sdk().zones.settings, self._zone_id()
        self._ask(lambda: settings.edit("ssl", zone_id=zone_id, value=mode))

    def read_pulls(self) -> Pulls:
        """What the edge shows to origins, the newest first."""
        part, zone_id = self._sdk().origin_tls_client_auth, self._zone_id()
        enabled = self._ask(lambda: part.settings.get(zone_id=zone_id))
        listed = self._ask(lambda: part.zone_certificates.list(zone_id=zone_id)).result or ()
        newest = sorted(listed, key=lambda one: str(one.uploaded_on or ""), reverse=True)
        return Pulls(bool(enabled and enabled.enabled), tuple(one.certificate or "" for one in newest))

    def add_pulls(self, pair: Pair) -> None:
        """Gives the edge a certificate to show, which it shows from now on if it shows any."""
        part, zone_id = self._sdk().origin_tls_client_auth.zone_certificates, self._zone_id()
        self._ask(lambda: part.create(zone_id=zone_id, certificate=pair.certificate, private_key=pair.key))

    def show_pulls(self) -> None:
        """Has the edge show its certificate to origins."""
        settings, zone_id = self._sdk().origin_tls_client_auth.settings, self._zone_id()
        self._ask(lambda: settings.update(zone_id=zone_id, enabled=True))

    def _ask(self, method: Callable[[], Any]) -> Any:
        try:
            return self._call(method)
        except Refused as error:
            raise Refused(
                f"The Cloudflare token may not see to the zone's origins: {error.message}",
                hint="Give it Zone Settings Edit, and SSL and Certificates Edit; until then all stays as it is.",
            ) from error
