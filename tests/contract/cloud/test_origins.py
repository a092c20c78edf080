"""What every implementation of the port for a zone's origins does."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from agent import wire
from agent.server.origin import Origin
from fleet import origins
from fleet.cloud.ports import Dns
from fleet.errors import InvalidInput
from tests.fakes.identities import first_boot
from tests.fakes.router import FakeRouter

NOW = datetime.now(UTC)


@pytest.fixture
def csr(tmp_path: Path) -> str:
    """What a droplet asks for."""
    folder = tmp_path / "tls"
    first_boot(folder)
    asked = wire.OriginRequest(names=origins.names("example.test"))
    return Origin(folder / "certificate.pem", FakeRouter()).request(asked).csr


def test_a_signing_request_becomes_a_certificate_for_its_key_and_names(dns: Dns, csr: str) -> None:
    made = x509.load_pem_x509_certificate(dns.origins.sign(csr, origins.names("example.test")).encode())
    assert made.public_key() == x509.load_pem_x509_csr(csr.encode()).public_key()
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["example.test", "*.example.test"]
    assert 80 < (made.not_valid_after_utc - NOW).days <= origins.VALID_DAYS


def test_names_of_another_zone_are_not_signed(dns: Dns, csr: str) -> None:
    with pytest.raises(InvalidInput):
        dns.origins.sign(csr, ("example.org",))


def test_the_mode_is_what_was_set_last(dns: Dns) -> None:
    dns.origins.set_mode("strict")
    assert dns.origins.read_mode() == "strict"
    dns.origins.set_mode("full")
    assert dns.origins.read_mode() == "full"


def test_the_edge_shows_what_was_added_last_once_it_is_told_to(dns: Dns) -> None:
    before = dns.origins.read_pulls().certificates
    first, second = origins.new_pulls(NOW), origins.new_pulls(NOW)
    dns.origins.add_pulls(first)
    dns.origins.add_pulls(second)
    dns.origins.show_pulls()
    dns.origins.show_pulls()
    found = dns.origins.read_pulls()
    assert found.enabled
    wanted = [origins.fingerprint(one) for one in (second.certificate, first.certificate, *before)]
    assert [origins.fingerprint(one) for one in found.certificates] == wanted
