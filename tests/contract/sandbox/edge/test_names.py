"""Which names the edge serves, by which Host, and what it answers for all others."""

from __future__ import annotations

import ssl

import httpx
import pytest
import trustme

from sandbox.cloudflare.origin_pulls import PULLS
from sandbox.cloudflare.zones import find_zone
from sandbox.store import Store
from tests.contract.sandbox.cloudflare.serving import trusting
from tests.contract.sandbox.edge.conftest import FIRST, SECOND, Ports, Serve, Zone


@pytest.mark.parametrize("host", ["hello.example.test.localhost:7780", "hello.example.test", "HELLO.example.test."])
def test_a_name_is_served_by_its_local_and_by_its_real_host(
    visitor: httpx.Client, zone: Zone, serve: Serve, host: str
) -> None:
    serve(FIRST)
    zone.point("hello", FIRST)
    told = visitor.get("/path%20x?q=a%2Fb", headers={"Host": host}).json()
    assert (told["origin"], told["path"]) == (FIRST, "/path%20x?q=a%2Fb")
    assert told["headers"]["host"] == "hello.example.test"


def test_the_origin_learns_who_asked_and_how(visitor: httpx.Client, zone: Zone, serve: Serve) -> None:
    serve(FIRST)
    zone.point("hello", FIRST)
    answer = visitor.get("/", headers={"Host": "hello.example.test", "X-Forwarded-For": "192.0.2.9"})
    told = answer.json()
    headers = told["headers"]
    assert told["peer"] == "127.76.0.1"
    assert headers["x-forwarded-for"] == "192.0.2.9, 127.0.0.1"
    assert (headers["cf-connecting-ip"], headers["x-forwarded-proto"]) == ("127.0.0.1", "http")
    assert headers["cf-ray"] == answer.headers["cf-ray"]
    assert answer.headers["server"] == "cloudflare"
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]


def test_https_has_a_wildcard_certificate_of_the_given_authority(
    ports: Ports, zone: Zone, serve: Serve, authority: trustme.CA
) -> None:
    serve(FIRST)
    zone.point("hello", FIRST)
    for name in ("hello.example.test", "hello.example.test.localhost"):
        with httpx.Client(verify=trusting(authority), timeout=60) as client:
            told = client.get(
                f"https://127.0.0.1:{ports.https}/", headers={"Host": name}, extensions={"sni_hostname": name}
            ).json()
        assert told["headers"]["x-forwarded-proto"] == "https"


@pytest.mark.parametrize(
    ("host", "code"), [("absent.example.test", 1016), ("hello.elsewhere.test", 1001), ("grey.example.test", 1001)]
)
def test_a_name_without_a_proxied_record_is_530(visitor: httpx.Client, zone: Zone, host: str, code: int) -> None:
    zone.point("grey", FIRST, proxied=False)
    answer = visitor.get("/", headers={"Host": host})
    assert answer.status_code == 530
    assert f"Error {code}" in answer.text
    assert answer.headers["cf-ray"] in answer.text


def test_wildcards_and_aliases_lead_to_their_addresses(visitor: httpx.Client, zone: Zone, serve: Serve) -> None:
    serve(FIRST)
    serve(SECOND)
    zone.point("*", FIRST)
    zone.point("two", SECOND)
    zone.point("alias", "two.example.test", kind="CNAME")
    reached = {
        name: visitor.get("/", headers={"Host": f"{name}.example.test"}).json()["origin"]
        for name in ("any", "two", "alias")
    }
    assert reached == {"any": FIRST, "two": SECOND, "alias": SECOND}


def test_a_redirect_to_the_name_itself_stays_local(visitor: httpx.Client, zone: Zone, serve: Serve) -> None:
    serve(FIRST)
    zone.point("hello", FIRST)
    answer = visitor.get("/redirect", headers={"Host": "hello.example.test.localhost:7780"})
    assert answer.headers["location"] == "http://hello.example.test.localhost:7780/there?q=1"


@pytest.mark.parametrize("mode", ["off", "flexible"])
def test_the_modes_off_and_flexible_speak_plain_http(
    visitor: httpx.Client, zone: Zone, serve: Serve, mode: str
) -> None:
    serve(FIRST, plain=True)
    zone.point("hello", FIRST)
    zone.ssl(mode)
    assert visitor.get("/", headers={"Host": "hello.example.test"}).json()["origin"] == FIRST


def test_mode_strict_refuses_an_unknown_certificate_with_526(visitor: httpx.Client, zone: Zone, serve: Serve) -> None:
    serve(FIRST)
    zone.point("hello", FIRST)
    zone.ssl("strict")
    assert visitor.get("/", headers={"Host": "hello.example.test"}).status_code == 526


def test_mode_strict_takes_an_origin_ca_certificate(
    visitor: httpx.Client, zone: Zone, serve: Serve, origin_tls: ssl.SSLContext
) -> None:
    serve(FIRST, tls=origin_tls)
    zone.point("hello", FIRST)
    zone.ssl("strict")
    assert visitor.get("/", headers={"Host": "hello.example.test"}).status_code == 200


def test_the_edge_shows_its_certificate_to_origins_once_that_is_switched_on(
    visitor: httpx.Client, zone: Zone, serve: Serve, origin_tls: ssl.SSLContext, store: Store
) -> None:
    shown = trustme.CA()
    shown.configure_trust(origin_tls)
    origin_tls.verify_mode = ssl.CERT_REQUIRED
    serve(FIRST, tls=origin_tls)
    zone.point("hello", FIRST)
    zone.ssl("strict")
    assert visitor.get("/", headers={"Host": "hello.example.test"}).status_code in {520, 525}
    issued = shown.issue_cert("edge.example.test")
    pair = {
        "certificate": issued.cert_chain_pems[0].bytes().decode(),
        "private_key": issued.private_key_pem.bytes().decode(),
    }
    found = find_zone(store, "example.test")
    assert found is not None
    store.put(PULLS, found["id"], {"enabled": True, "certificates": [pair]})
    assert visitor.get("/", headers={"Host": "hello.example.test"}).status_code == 200
