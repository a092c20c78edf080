"""Certificates and keys as a droplet's first boot, the edge and its authorities make them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agent import wire

PEM = serialization.Encoding.PEM


def first_boot(folder: Path) -> bytes:
    """What the first boot leaves: a key, a certificate that it signed itself, and nobody's authority; the key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("origin")
    own = _builder(name, name, 3650).public_key(key.public_key()).sign(key, hashes.SHA256()).public_bytes(PEM)
    private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    folder.mkdir(parents=True)
    for file, content in (("key.pem", private), ("certificate.pem", own), ("pulls.pem", own)):
        (folder / file).write_bytes(content)
    return private


class Authority:
    """Signs what is asked of it."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        issuer = _builder(_name(name), _name(name), 3650).public_key(self._key.public_key())
        basic = x509.BasicConstraints(ca=True, path_length=0)
        self.certificate = issuer.add_extension(basic, critical=True).sign(self._key, hashes.SHA256())

    @property
    def pem(self) -> str:
        """Its certificate."""
        return self.certificate.public_bytes(PEM).decode()

    def sign(self, csr: str, days: int = 90) -> str:
        """A certificate for a signing request, with the names that it asks for."""
        asked = x509.load_pem_x509_csr(csr.encode())
        names = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        builder = _builder(asked.subject, self.certificate.subject, days).public_key(asked.public_key())
        return builder.add_extension(names, critical=False).sign(self._key, hashes.SHA256()).public_bytes(PEM).decode()

    def client(self, path: Path) -> Path:
        """A file with a key and a certificate that somebody shows."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name("who pulls"), self.certificate.subject, 90).public_key(key.public_key())
        shown = builder.sign(self._key, hashes.SHA256()).public_bytes(PEM)
        path.write_bytes(
            key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()) + shown
        )
        return path

    def order(self, certificate: str, *, required: bool = False) -> wire.OriginCertificate:
        """Show this certificate, and admit whom this authority vouches for."""
        return wire.OriginCertificate(certificate=certificate, pulls=self.pem, required=required)


def _builder(subject: x509.Name, issuer: x509.Name, days: int) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    start = now - timedelta(minutes=5) + timedelta(days=min(days, 0))
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
    return (
        builder.serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(now + timedelta(days=days) if days > 0 else now - timedelta(minutes=1))
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
