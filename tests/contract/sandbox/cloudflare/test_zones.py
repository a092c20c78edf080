"""Zones, their setting `ssl`, and Origin CA certificates through the official SDK."""

from __future__ import annotations

from typing import Any

import cloudflare as sdk
import httpx
import pytest
import trustme
from cloudflare import Cloudflare
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sandbox.cloudflare.origin_ca import authority_pem
from sandbox.cloudflare.zones import add_zone, seed
from sandbox.store import Store


def test_a_zone_is_found_by_its_name(cloudflare: Cloudflare, store: Store, zone_id: str) -> None:
    add_zone(store, "other.test")
    found = list(cloudflare.zones.list(name="example.test"))
    assert [(zone.id, zone.name, zone.status) for zone in found] == [(zone_id, "example.test", "active")]


def test_all_zones_are_listed_once_and_the_list_ends(cloudflare: Cloudflare, store: Store) -> None:
    for number in range(7):
        add_zone(store, f"zone{number}.test")
    names = [zone.name for zone in cloudflare.zones.list(per_page=5)]
    assert names == ["example.test", *(f"zone{number}.test" for number in range(7))]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"name": "starts_with:O"}, ["other.test"]),
        ({"name": "starts_with_case_sensitive:O"}, []),
        ({"name": "ends_with:.test", "direction": "desc"}, ["other.test", "example.test"]),
        ({"account": {"name": "sandbox"}}, ["example.test", "other.test"]),
        ({"account": {"id": "0" * 32}}, []),
        ({"type": ["partial"]}, []),
        ({"type": ["full", "partial"]}, ["example.test", "other.test"]),
        ({"name": "other.test", "status": "pending", "match": "any"}, ["other.test"]),
        ({"name": "other.test", "status": "pending"}, []),
    ],
)
def test_the_zones_are_filtered_and_ordered(
    cloudflare: Cloudflare, store: Store, query: dict[str, Any], names: list[str]
) -> None:
    add_zone(store, "other.test")
    assert [zone.name for zone in cloudflare.zones.list(**query)] == names


def test_a_zone_has_an_owner_with_an_id_and_no_empty_tenant(http: httpx.Client, zone_id: str) -> None:
    zone = http.get(f"/zones/{zone_id}").json()["result"]
    assert len(zone["owner"]["id"]) == 32
    assert all(value is not None for key in ("owner", "account", "plan", "meta") for value in zone[key].values())
    assert "tenant" not in zone


def test_an_unknown_zone_name_gives_an_empty_list(cloudflare: Cloudflare) -> None:
    assert list(cloudflare.zones.list(name="absent.test")) == []


def test_seeding_again_keeps_the_zone_and_its_records(cloudflare: Cloudflare, store: Store, zone_id: str) -> None:
    cloudflare.dns.records.create(zone_id=zone_id, name="a", type="A", content="127.77.0.1", ttl=1)
    seed(store)
    assert len(list(cloudflare.dns.records.list(zone_id=zone_id))) == 1


def test_an_unknown_zone_id_is_7003(cloudflare: Cloudflare) -> None:
    with pytest.raises(sdk.NotFoundError) as refused:
        cloudflare.zones.get(zone_id="0" * 32)
    assert refused.value.errors[0].code == 7003


def test_the_ssl_setting_is_full_and_can_be_changed(cloudflare: Cloudflare, zone_id: str) -> None:
    before: Any = cloudflare.zones.settings.get(zone_id=zone_id, setting_id="ssl")
    after: Any = cloudflare.zones.settings.edit(zone_id=zone_id, setting_id="ssl", value="strict")
    assert (before.value, after.value) == ("full", "strict")


def test_an_unknown_ssl_mode_is_refused(cloudflare: Cloudflare, zone_id: str) -> None:
    with pytest.raises(sdk.BadRequestError):
        cloudflare.zones.settings.edit(zone_id=zone_id, setting_id="ssl", value="sometimes")


def _csr() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def test_an_origin_certificate_is_signed_by_the_authority_for_its_hostnames(
    cloudflare: Cloudflare, store: Store
) -> None:
    hostnames = ["example.test", "*.example.test"]
    made = cloudflare.origin_ca_certificates.create(csr=_csr(), hostnames=hostnames, request_type="origin-ecc")
    assert made is not None
    assert made.certificate is not None
    certificate = x509.load_pem_x509_certificate(made.certificate.encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == hostnames
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority_pem(store).encode()))


@pytest.mark.parametrize(
    "hostname", ["*.*.example.test", "a.*.example.test", "*.test", "a b.example.test", "a..example.test"]
)
def test_a_wildcard_stands_for_the_first_label_of_a_whole_name_only(cloudflare: Cloudflare, hostname: str) -> None:
    with pytest.raises(sdk.BadRequestError) as refused:
        cloudflare.origin_ca_certificates.create(csr=_csr(), hostnames=[hostname], request_type="origin-ecc")
    assert refused.value.errors[0].code == 1010


def test_a_certificate_for_keyless_servers_is_signed_too(cloudflare: Cloudflare) -> None:
    made = cloudflare.origin_ca_certificates.create(
        csr=_csr(), hostnames=["example.test"], request_type="keyless-certificate"
    )
    assert made is not None
    assert made.request_type == "keyless-certificate"


@pytest.mark.parametrize("change", [{"csr": "no csr"}, {"hostnames": ["foreign.test"]}, {"requested_validity": 8}])
def test_a_bad_certificate_request_is_refused(cloudflare: Cloudflare, change: dict[str, object]) -> None:
    request = {"csr": _csr(), "hostnames": ["example.test"], "request_type": "origin-ecc", **change}
    with pytest.raises(sdk.BadRequestError):
        cloudflare.origin_ca_certificates.create(**request)  # type: ignore[arg-type]


def _pair() -> tuple[str, str]:
    issued = trustme.CA().issue_cert("edge.example.test")
    return issued.cert_chain_pems[0].bytes().decode(), issued.private_key_pem.bytes().decode()


def test_a_certificate_for_origin_pulls_is_kept_without_giving_its_key_again(
    cloudflare: Cloudflare, zone_id: str, http: httpx.Client
) -> None:
    part, (certificate, key) = cloudflare.origin_tls_client_auth, _pair()
    made = part.zone_certificates.create(zone_id=zone_id, certificate=certificate, private_key=key)
    assert made is not None
    assert made.status == "active"
    assert part.settings.get(zone_id=zone_id).enabled is False  # type: ignore[union-attr]  # it answers
    assert part.settings.update(zone_id=zone_id, enabled=True).enabled is True  # type: ignore[union-attr]  # so too
    listed = http.get(f"/zones/{zone_id}/origin_tls_client_auth")
    assert [one["id"] for one in listed.json()["result"]] == [made.id]
    assert "PRIVATE" not in listed.text
    part.zone_certificates.delete(str(made.id), zone_id=zone_id)
    assert http.get(f"/zones/{zone_id}/origin_tls_client_auth").json()["result"] == []


def test_a_key_that_does_not_belong_to_its_certificate_is_refused(cloudflare: Cloudflare, zone_id: str) -> None:
    part = cloudflare.origin_tls_client_auth.zone_certificates
    with pytest.raises(sdk.BadRequestError):
        part.create(zone_id=zone_id, certificate=_pair()[0], private_key=_pair()[1])
