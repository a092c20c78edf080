"""Keys of one droplet, all derived, none stored by the controller.

`K = HMAC-SHA256(token, "node-agent:" + droplet name)` is the droplet's secret. From it come the API key and the
TLS identity: an Ed25519 key and a self-signed certificate whose every byte is determined (Ed25519 signatures are
deterministic), so that whoever holds the token can compute the one certificate it accepts. User data carries only
the boot secret, derived alike with another label, which dies at the first contact.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import NameOID

PEER_DOMAIN = "peers.deployer"
"""Under it, droplets of an environment name the service that they ask each other for; no DNS knows it."""
_NOT_BEFORE = datetime(2020, 1, 1, tzinfo=UTC)
_NOT_AFTER = datetime(2120, 1, 1, tzinfo=UTC)


class Identity(NamedTuple):
    """A TLS key and its self-signed certificate, both PEM."""

    key: bytes
    certificate: bytes


def droplet_secret(token: str, droplet: str) -> str:
    """The secret K of a droplet, as 64 hex digits, from the DigitalOcean token and the droplet's name."""
    return _derive(token, f"node-agent:{droplet}")


def boot_secret(token: str, droplet: str) -> str:
    """The secret that user data may carry: good for handing over K once, and for nothing else."""
    return _derive(token, f"node-agent-boot:{droplet}")


def peer_secret(token: str, environment: str) -> str:
    """The secret that all droplets of an environment share, and nobody else has; `environment` is `project/name`."""
    return _derive(token, f"peers:{environment}")


def peer_identity(secret: str) -> Identity:
    """What a droplet shows, and what it asks to be shown, when it reaches another one of its environment."""
    return identity(secret, f"*.{PEER_DOMAIN}")


def api_key(secret: str) -> str:
    """The API key that belongs to a secret, as 64 hex digits."""
    return _expand(secret, b"api-key").hex()


def identity(secret: str, droplet: str) -> Identity:
    """The TLS key and certificate that belong to a secret; the same bytes on every call and machine."""
    key = Ed25519PrivateKey.from_private_bytes(_expand(secret, b"tls-key"))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, droplet[:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(int.from_bytes(_expand(secret, b"serial")[:16], "big") >> 1 | 1)
        .not_valid_before(_NOT_BEFORE)
        .not_valid_after(_NOT_AFTER)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(droplet)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, None)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Identity(private, certificate.public_bytes(serialization.Encoding.PEM))


def _derive(token: str, label: str) -> str:
    return hmac.new(token.encode(), label.encode(), hashlib.sha256).hexdigest()


def _expand(secret: str, label: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=None, info=b"deployer:" + label).derive(bytes.fromhex(secret))
