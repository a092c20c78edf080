"""Origin CA: certificates for origins that only the edge trusts, signed by an authority kept in the store."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sandbox.cloudflare.errors import CloudflareError, invalid
from sandbox.cloudflare.zones import all_zones
from sandbox.store import Store

JSON = dict[str, Any]

AUTHORITY = "cloudflare_origin_authority"
CERTIFICATE = "cloudflare_origin_certificate"
REQUEST_TYPES = ("origin-rsa", "origin-ecc", "keyless-certificate")
VALIDITIES = (7, 30, 90, 365, 730, 1095, 5475)
_HOSTNAME = re.compile(r"(\*\.)?([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)+[a-z0-9-]+", re.IGNORECASE)


def authority_pem(store: Store) -> str:
    """The authority's certificate, which the edge trusts in mode `strict`; made on first use."""
    return str(_authority(store)["certificate"])


def issue(store: Store, request: JSON) -> JSON:
    """Signs a certificate request for hostnames of the account's zones; days as in VALIDITIES (5475 by default)."""
    hostnames, days = _hostnames(store, request), _days(request)
    if request.get("request_type") not in REQUEST_TYPES:
        raise invalid(1010, f"Invalid request type: must be one of {', '.join(REQUEST_TYPES)}.")
    certificate = _sign(_authority(store), _csr(request.get("csr")), hostnames, days)
    document = {
        "id": str(certificate.serial_number),
        "certificate": certificate.public_bytes(serialization.Encoding.PEM).decode(),
        "csr": request["csr"],
        "hostnames": hostnames,
        "request_type": request["request_type"],
        "requested_validity": days,
        "expires_on": certificate.not_valid_after_utc.isoformat().replace("+00:00", "Z"),
    }
    store.put(CERTIFICATE, document["id"], document)
    return document


def read(store: Store, certificate_id: str) -> JSON:
    """One certificate issued before."""
    document = store.get(CERTIFICATE, certificate_id)
    if document is None:
        raise CloudflareError(404, 1101, "Certificate not found.")
    return dict(document)


def _hostnames(store: Store, request: JSON) -> list[str]:
    names = request.get("hostnames")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise invalid(1006, "At least one hostname is required.")
    zones = tuple(zone["name"] for zone in all_zones(store))
    for name in names:
        if not _HOSTNAME.fullmatch(name):  # a wildcard stands for the first label only
            raise invalid(1010, f"Invalid hostname: {name}")
        if not any(name == zone or name.endswith(f".{zone}") for zone in zones):
            raise invalid(
                1010, f"This zone is either not part of your account, or you do not have access to it: {name}"
            )
    return [str(name) for name in names]


def _days(request: JSON) -> int:
    days = request.get("requested_validity", VALIDITIES[-1])
    if days not in VALIDITIES:
        raise invalid(1014, f"Invalid validity: must be one of {', '.join(map(str, VALIDITIES))} days.")
    return int(days)


def _csr(text: Any) -> x509.CertificateSigningRequest:
    try:
        csr = x509.load_pem_x509_csr(str(text).encode())
        valid = csr.is_signature_valid
    except (ValueError, UnsupportedAlgorithm) as error:
        raise invalid(1005, "Failed to parse the certificate signing request.") from error
    if not valid:
        raise invalid(1005, "The signature of the certificate signing request is wrong.")
    return csr


def _authority(store: Store) -> JSON:
    document = store.get(AUTHORITY, "default")
    if document is None:
        document = _new_authority()
        store.put(AUTHORITY, "default", document)
    return document


def _new_authority() -> JSON:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Sandbox Origin CA")
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    certificate = (
        _builder(name, name, 20 * 365)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return {
        "certificate": certificate.public_bytes(pem).decode(),
        "key": key.private_bytes(pem, pkcs8, serialization.NoEncryption()).decode(),
    }


def _sign(authority: JSON, csr: x509.CertificateSigningRequest, hostnames: list[str], days: int) -> x509.Certificate:
    issuer = x509.load_pem_x509_certificate(authority["certificate"].encode())
    key = serialization.load_pem_private_key(authority["key"].encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("the stored Origin CA key is not an EC key: remove the sandbox's state and start it again")
    names = x509.SubjectAlternativeName([x509.DNSName(name) for name in hostnames])
    return (
        _builder(_name("Sandbox Origin Certificate"), issuer.subject, days)
        .public_key(csr.public_key())
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _builder(subject: x509.Name, issuer: x509.Name, days: int) -> x509.CertificateBuilder:
    start = datetime.now(UTC) - timedelta(minutes=5)  # a machine's clock may be a little behind
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
    builder = builder.serial_number(secrets.randbits(159) | 1)
    return builder.not_valid_before(start).not_valid_after(start + timedelta(days=days))


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
