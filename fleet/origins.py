"""Droplets as the edge's origins: which certificate each shows, and when the edge may be made to insist on it.

What the edge shows in turn, when it pulls, is a certificate of this zone alone, which is its own authority: droplets
know the certificate, Cloudflare has the key, and nobody else keeps it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fleet.state import Record

Mode = Literal["full", "strict"]
"""How an environment's droplets and the edge trust each other: `full` encrypts, `strict` proves both ends."""
VALID_DAYS: Final = 90
"""How long an origin certificate is asked for; Cloudflare gives 7, 30, 90, 365 days and years."""
RENEW_BEFORE: Final = timedelta(days=30)
PULLS_VALID: Final = timedelta(days=3650)
PULLS_RENEW_BEFORE: Final = timedelta(days=365)
PULLS_NAME: Final = "deployer-origin-pulls"
"""The common name of our certificates among those of a zone."""


@dataclass(frozen=True)
class Shown:
    """What a droplet's nginx shows and demands."""

    names: tuple[str, ...]
    expires_at: datetime
    signed: bool
    pulls: str
    """Fingerprint of the edge's certificate that it admits, the newest one; empty: none."""
    required: bool
    asks: bool


@dataclass(frozen=True)
class Pulls:
    """What the edge shows to the origins of a zone."""

    enabled: bool
    certificates: tuple[str, ...]
    """PEM, the newest first, ours or not."""

    def ours(self, now: datetime) -> tuple[str, ...]:
        """Those that we made and that have not ended, the newest first."""
        return tuple(one for one in self.certificates if _is_ours(one, now))


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, both PEM."""

    certificate: str
    key: str

    def __repr__(self) -> str:
        return "Pair(…)"


def names(zone: str) -> tuple[str, ...]:
    """What an origin certificate of a zone is for: the zone, and one label below it, as the edge's own."""
    return zone, f"*.{zone}"


def covers(zone: str, name: str) -> bool:
    """Whether such a certificate is good for a name."""
    return name == zone or name.partition(".")[2] == zone


def is_due(shown: Shown, zone: str, now: datetime) -> bool:
    """Whether a droplet needs another certificate."""
    return not shown.signed or shown.names != names(zone) or shown.expires_at - now < RENEW_BEFORE


def new_pulls(now: datetime) -> Pair:
    """A certificate for the edge to show, with a key that is kept nowhere but there."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, PULLS_NAME)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + PULLS_VALID)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        # All of them have one name: by these, two that are admitted at once are told apart.
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Pair(made.public_bytes(serialization.Encoding.PEM).decode(), private.decode())


def wants_pulls(pulls: Pulls, now: datetime) -> bool:
    """Whether the edge needs another certificate to show."""
    return not any(_ends(one) - now >= PULLS_RENEW_BEFORE for one in pulls.ours(now))


def fingerprint(certificate: str) -> str:
    """The SHA-256 of a certificate (PEM), as hex digits."""
    return x509.load_pem_x509_certificate(certificate.encode()).fingerprint(hashes.SHA256()).hex()


def hindrance(records: Iterable[Record], secured: Collection[str], zone: str) -> str:
    """Why the edge must not insist on certificates yet; empty: it may.

    Args:
        records: all of the zone.
        secured: addresses of the droplets that show a certificate that it would take.
        zone: its name.
    """
    proxied = sorted((one for one in records if one.proxied), key=lambda one: (one.name, one.content))
    for one in proxied:
        if one.type != "A" or one.content not in secured:
            return f"{one.name} leads to {one.content}, which shows no certificate that was made here"
        if not covers(zone, one.name):
            return f"{one.name} is more than one label below {zone}, and no certificate is for it"
    return ""


def _is_ours(certificate: str, now: datetime) -> bool:
    try:
        found = x509.load_pem_x509_certificate(certificate.encode())
    except ValueError:
        return False
    common = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return bool(common) and common[0].value == PULLS_NAME and found.not_valid_after_utc > now


def _ends(certificate: str) -> datetime:
    return x509.load_pem_x509_certificate(certificate.encode()).not_valid_after_utc
