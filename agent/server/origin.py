"""The droplet as the edge's origin: a certificate of an authority that the edge trusts, for the key that stays here.

The key is the one that the first boot made. It is never exchanged, so that certificate and key fit each other at every
moment, and a kill between two files leaves an nginx that starts.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.x509.oid import NameOID

from agent import wire
from agent.server.errors import Failure
from agent.server.ports import Router
from agent.server.secret_files import write_private

PULLS: Final = "pulls.pem"
REQUIRED: Final = "required"
"""A file that is there or not: nginx looks when it reads its configuration."""


class Origin:
    """What nginx shows the edge, and what it demands of it.

    Args:
        certificate: the file that nginx shows; its key, and the edge's authority, are beside it.
        router: the nginx of this droplet.
    """

    def __init__(self, certificate: Path, router: Router) -> None:
        self._certificate = certificate
        self._folder = certificate.parent
        self._router = router

    def read(self) -> wire.Origin:
        """How it is. Raises Failure (409) while nginx has no certificate yet."""
        shown, pulls = self._shown(), self._folder / PULLS
        authority = x509.load_pem_x509_certificate(pulls.read_bytes()) if pulls.exists() else None
        return wire.Origin(
            names=_names(shown),
            expires_at=shown.not_valid_after_utc,
            signed=shown.issuer != shown.subject,
            pulls=authority.fingerprint(hashes.SHA256()).hex() if authority and authority != shown else "",
            required=(self._folder / REQUIRED).exists(),
            asks=self._router.asks(),
        )

    def request(self, wanted: wire.OriginRequest) -> wire.SigningRequest:
        """A signing request for these names by the droplet's own key."""
        names = x509.SubjectAlternativeName([x509.DNSName(name) for name in wanted.names])
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "origin")])
        builder = x509.CertificateSigningRequestBuilder().subject_name(subject).add_extension(names, critical=False)
        made = builder.sign(self._key(), hashes.SHA256())
        return wire.SigningRequest(csr=made.public_bytes(serialization.Encoding.PEM).decode())

    def install(self, wanted: wire.OriginCertificate) -> wire.Origin:
        """Show it, and admit whom it says; repeated, it changes nothing.

        Raises:
            Failure: 422 it is none of this key, or over; 409 this nginx cannot ask for certificates.
            RouterError: nginx does not show it; the one before is shown again.
        """
        certificate = self._checked(wanted)
        before = self._certificate.read_bytes()
        _replace(self._folder / PULLS, wanted.pulls.encode())
        _replace(self._certificate, certificate)
        if wanted.required:
            _replace(self._folder / REQUIRED, b"")
        else:
            (self._folder / REQUIRED).unlink(missing_ok=True)
        try:
            self._router.present(certificate, wanted.required)
        except BaseException:
            _replace(self._certificate, before)
            raise
        return self.read()

    def _checked(self, wanted: wire.OriginCertificate) -> bytes:
        try:
            given = wanted.certificate
            found = x509.load_pem_x509_certificate(given.encode()) if given else self._shown()
            x509.load_pem_x509_certificates(wanted.pulls.encode())
        except ValueError as error:
            raise _refused(f"what came is no certificate ({error})") from error
        if found.public_key() != self._key().public_key():
            raise _refused("it is not of this droplet's key")
        if found.not_valid_after_utc <= datetime.now(UTC):
            raise _refused(f"it ended on {found.not_valid_after_utc:%Y-%m-%d}")
        if wanted.required and not self._router.asks():
            message = "The nginx of this droplet does not ask the edge for a certificate."
            raise Failure(409, "old_nginx", message, "Roll the droplet to a base snapshot that was made anew.")
        return found.public_bytes(serialization.Encoding.PEM)

    def _shown(self) -> x509.Certificate:
        try:
            return x509.load_pem_x509_certificate(self._certificate.read_bytes())
        except (OSError, ValueError) as error:
            raise _absent(error) from error

    def _key(self) -> EllipticCurvePrivateKey:
        try:
            key = serialization.load_pem_private_key((self._folder / "key.pem").read_bytes(), password=None)
        except (OSError, ValueError) as error:
            raise _absent(error) from error
        assert isinstance(key, EllipticCurvePrivateKey)  # noqa: S101 - the first boot makes no other
        return key


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(extension.value.get_values_for_type(x509.DNSName))


def _replace(path: Path, content: bytes) -> None:
    if not path.exists() or path.read_bytes() != content:
        write_private(path, content)


def _refused(why: str) -> Failure:
    return Failure(422, "certificate", f"The certificate is not used: {why}.", "Ask POST /origin/request again.")


def _absent(error: Exception) -> Failure:
    message = f"This droplet has no certificate for nginx: {error}"
    return Failure(409, "no_certificate", message, "See `systemctl status deployer-first-boot`.")
