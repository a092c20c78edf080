"""Authenticated origin pulls of a zone: the certificate that the edge shows to origins, and whether it does."""

from __future__ import annotations

import secrets
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from fastapi import APIRouter, Request, Response

from sandbox.cloudflare import zones
from sandbox.cloudflare.envelope import answer, body
from sandbox.cloudflare.errors import CloudflareError, invalid
from sandbox.store import Store

JSON = dict[str, Any]

PULLS = "cloudflare_origin_pulls"
_PATH = "/zones/{zone_id}/origin_tls_client_auth"


def shown(store: Store, zone_id: str) -> str:
    """Key and certificate (PEM) that the edge shows for a zone, the one uploaded last; empty: none."""
    kept = _kept(store, zone_id)
    certificates = kept["certificates"]
    if not kept["enabled"] or not certificates:
        return ""
    return f"{certificates[-1]['private_key']}\n{certificates[-1]['certificate']}"


def add_routes(routes: APIRouter, store: Store) -> None:
    """Everything under `/zones/{id}/origin_tls_client_auth`."""

    @routes.get(f"{_PATH}/settings")
    async def read_settings(zone_id: str) -> Response:
        return answer({"enabled": _kept(store, zone_id)["enabled"]})

    @routes.put(f"{_PATH}/settings")
    async def write_settings(zone_id: str, request: Request) -> Response:
        enabled = body(await request.body()).get("enabled")
        if not isinstance(enabled, bool):
            raise invalid(1400, "enabled must be true or false")
        kept = _kept(store, zone_id)
        store.put(PULLS, zone_id, {**kept, "enabled": enabled})
        return answer({"enabled": enabled})

    @routes.get(_PATH)
    async def list_certificates(zone_id: str) -> Response:
        kept = _kept(store, zone_id)
        return answer([_public(one, kept) for one in reversed(kept["certificates"])])

    @routes.post(_PATH)
    async def upload(zone_id: str, request: Request) -> Response:
        kept, made = _kept(store, zone_id), _certificate(body(await request.body()))
        kept["certificates"].append(made)
        store.put(PULLS, zone_id, kept)
        return answer(_public(made, kept))

    @routes.get(f"{_PATH}/{{certificate_id}}")
    async def read_certificate(zone_id: str, certificate_id: str) -> Response:
        kept = _kept(store, zone_id)
        return answer(_public(_find(kept, certificate_id), kept))

    @routes.delete(f"{_PATH}/{{certificate_id}}")
    async def remove_certificate(zone_id: str, certificate_id: str) -> Response:
        kept = _kept(store, zone_id)
        gone = _find(kept, certificate_id)
        kept["certificates"].remove(gone)
        store.put(PULLS, zone_id, kept)
        return answer(_public(gone, kept))


def _kept(store: Store, zone_id: str) -> JSON:
    zones.read_zone(store, zone_id)
    return store.get(PULLS, zone_id) or {"enabled": False, "certificates": []}


def _find(kept: JSON, certificate_id: str) -> JSON:
    found = next((one for one in kept["certificates"] if one["id"] == certificate_id), None)
    if found is None:
        raise CloudflareError(404, 1409, "Certificate not found.")
    return dict(found)


def _certificate(fields: JSON) -> JSON:
    """What was uploaded, if key and certificate are a pair."""
    certificate, key = str(fields.get("certificate", "")), str(fields.get("private_key", ""))
    try:
        parsed = x509.load_pem_x509_certificate(certificate.encode())
        private = serialization.load_pem_private_key(key.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise invalid(1406, "Invalid certificate or private key.") from error
    if parsed.public_key() != private.public_key():
        raise invalid(1407, "The private key does not belong to the certificate.")
    return {
        "id": secrets.token_hex(16),
        "certificate": certificate,
        "private_key": key,
        "issuer": parsed.issuer.rfc4514_string(),
        "signature": parsed.signature_algorithm_oid._name,
        "status": "active",
        "expires_on": parsed.not_valid_after_utc.isoformat().replace("+00:00", "Z"),
        "uploaded_on": zones.now(),
    }


def _public(certificate: JSON, kept: JSON) -> JSON:
    """Without the key, which is given to nobody again."""
    return {**{name: value for name, value in certificate.items() if name != "private_key"}, "enabled": kept["enabled"]}
