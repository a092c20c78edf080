"""Keys of one droplet, all derived, none stored by the controller.

`K = HMAC-SHA256(token, "node-agent:" + droplet name)` is the droplet's secret. From it come the API key and the
TLS identity: an Ed25519 key and a self-signed certificate whose every byte is determined (Ed25519 signatures are
deterministic), so that whoever holds the token can compute the one certificate it accepts. User data carries only
the boot secret, derived alike with another label, which dies at the first contact.

A droplet's keys are numbered: the first contact hands over number 1, and each turn the next one, from the token of that
day. Which numbers a droplet may answer to is told by its tags (`fleet.key_tags`); a `Ring` is made of both.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
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


class Opening(NamedTuple):
    """A secret that a droplet may have, and what it follows from."""

    secret: str
    number: int
    current: bool
    """Whether it derives from the present token, and not from the one before."""

    def __repr__(self) -> str:
        return f"Opening(number={self.number}, current={self.current})"


@dataclass(frozen=True)
class Ring:
    """What may open one droplet."""

    token: str = field(repr=False)
    """The DigitalOcean token."""
    former: str = field(default="", repr=False)
    """The token before, while droplets may still answer to keys from it; empty: there is none."""
    numbers: tuple[int, ...] = (1,)
    """Of its keys, as its tags say."""

    def openings(self, droplet: str) -> tuple[Opening, ...]:
        """What to try, newest first; one more than the tags say, as lists of droplets lag behind a turn."""
        numbers = [*sorted(set(self.numbers), reverse=True), max(self.numbers) + 1]
        return tuple(
            Opening(droplet_secret(token, droplet, number), number, token == self.token)
            for token in self._tokens
            for number in numbers
        )

    def boots(self, droplet: str) -> tuple[str, ...]:
        """What opens it before the first contact."""
        return tuple(boot_secret(token, droplet) for token in self._tokens)

    def fresh(self, droplet: str, number: int) -> Opening:
        """Its key of this number, from the present token."""
        return Opening(droplet_secret(self.token, droplet, number), number, current=True)

    @property
    def _tokens(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one for one in (self.token, self.former) if one))


def droplet_secret(token: str, droplet: str, number: int = 1) -> str:
    """The secret K of a droplet, as 64 hex digits, from the DigitalOcean token, its name and the key's number."""
    return _derive(token, f"node-agent:{droplet}" if number == 1 else f"node-agent:{droplet}:{number}")


def boot_secret(token: str, droplet: str) -> str:
    """The secret that user data may carry: good for handing over K once, and for nothing else."""
    return _derive(token, f"node-agent-boot:{droplet}")


def seed(token: str) -> str:
    """What outlives the token: releases' names and peers' keys follow from it, so that a new token changes neither."""
    return _derive(token, "seed")


def peer_secret(seed: str, environment: str) -> str:
    """The secret that all droplets of an environment share, and nobody else has; `environment` is `project/name`."""
    return _derive(seed, f"peers:{environment}")


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
