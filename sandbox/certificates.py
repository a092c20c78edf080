"""The sandbox's own authority and tokens, made on first use and kept in its state."""

from __future__ import annotations

import json
import secrets
import ssl
from collections.abc import Sequence
from pathlib import Path

import trustme

API_NAMES = ("localhost", "127.0.0.1", "::1")
TOKENS = {"digitalocean": "dop_v1_", "cloudflare": "", "control": "sbx_"}


class Certificates:
    """Issues certificates of one authority; `ca.pem` in the state is what clients trust."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._authority = _authority(state)

    def server(self, names: Sequence[str]) -> ssl.SSLContext:
        """TLS for a server of these names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._authority.issue_cert(*names).configure_cert(context)
        return context

    def write_server(self, names: Sequence[str]) -> Path:
        """The same as a file with key and chain, for a server that reads them by itself."""
        issued = self._authority.issue_cert(*names)
        path = self._state / "api.pem"
        chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        _write_private(path, issued.private_key_pem.bytes() + chain)
        return path


def read_tokens(state: Path) -> dict[str, str]:
    """The tokens by API, from `tokens.json`; made on first use, and readable by the owner only."""
    path = state / "tokens.json"
    kept: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    tokens = {name: kept.get(name) or prefix + secrets.token_hex(32) for name, prefix in TOKENS.items()}
    if tokens != kept:
        _write_private(path, json.dumps(tokens, indent=2).encode() + b"\n")
    return tokens


def _authority(state: Path) -> trustme.CA:
    certificate, key = state / "ca.pem", state / "ca.key"
    if certificate.exists() and key.exists():
        return trustme.CA.from_pem(certificate.read_bytes(), key.read_bytes())
    authority = trustme.CA(organization_name="Deployer sandbox")
    _write_private(key, authority.private_key_pem.bytes())
    certificate.write_bytes(authority.cert_pem.bytes())
    return authority


def _write_private(path: Path, content: bytes) -> None:
    """Writes a file that never was readable by others, whole or not at all."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_bytes(content)
    draft.rename(path)
