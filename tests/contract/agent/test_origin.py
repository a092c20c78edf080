"""The droplet as the edge's origin, over its own protocol: its key stays, and what fits it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import wire
from agent.client import AgentClient, AgentProblem
from tests.contract.agent.serving import Droplet, droplet
from tests.fakes.identities import Authority, first_boot

NAMES = ("example.com", "*.example.com")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Droplet]:
    first_boot(tmp_path / "state" / "tls")
    with droplet(tmp_path) as running:
        yield running


@pytest.fixture
def client(lab: Droplet) -> Iterator[AgentClient]:
    with lab.keyed() as http:
        yield AgentClient(http)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("the edge")


def refusal(client: AgentClient, order: wire.OriginCertificate) -> str:
    """The code with which it is refused."""
    with pytest.raises(AgentProblem) as caught:
        client.origin.install(order)
    return caught.value.problem.code


def test_a_new_droplet_shows_what_it_signed_itself_and_knows_no_authority(client: AgentClient) -> None:
    found = client.origin.read()
    assert (found.signed, found.pulls, found.required, found.asks, found.names) == (False, "", False, True, ())


def test_a_certificate_that_was_asked_for_is_shown_and_the_key_never_left(
    lab: Droplet, client: AgentClient, authority: Authority
) -> None:
    before = (lab.settings.certificate.parent / "key.pem").read_bytes()
    certificate = authority.sign(client.origin.request(NAMES))
    found = client.origin.install(authority.order(certificate, required=True))
    assert (found.signed, found.names, found.required, len(found.pulls)) == (True, NAMES, True, 64)
    assert lab.router.presented == (certificate.encode(), True)
    assert (lab.settings.certificate.parent / "key.pem").read_bytes() == before
    assert b"PRIVATE" not in certificate.encode()


def test_the_same_again_changes_nothing(lab: Droplet, client: AgentClient, authority: Authority) -> None:
    order = authority.order(authority.sign(client.origin.request(NAMES)))
    first = client.origin.install(order)
    files = {path.name: path.stat().st_ino for path in lab.settings.certificate.parent.iterdir()}
    assert client.origin.install(order) == first
    assert {path.name: path.stat().st_ino for path in lab.settings.certificate.parent.iterdir()} == files


def test_what_does_not_fit_is_refused_and_what_was_shown_stays(
    lab: Droplet, client: AgentClient, authority: Authority, tmp_path: Path
) -> None:
    first_boot(tmp_path / "another")
    before = lab.settings.certificate.read_bytes()
    csr = client.origin.request(NAMES)
    orders = [
        authority.order((tmp_path / "another" / "certificate.pem").read_text()),
        authority.order(authority.sign(csr, days=0)),
        authority.order("-----BEGIN CERTIFICATE-----"),
    ]
    assert [refusal(client, order) for order in orders] == ["certificate"] * 3
    lab.router.old = True
    assert refusal(client, authority.order(authority.sign(csr), required=True)) == "old_nginx"
    assert lab.settings.certificate.read_bytes() == before
    assert lab.router.presented is None


def test_a_certificate_that_nginx_does_not_take_up_gives_way_to_the_one_before(
    lab: Droplet, client: AgentClient, authority: Authority
) -> None:
    before, lab.router.refusing = lab.settings.certificate.read_bytes(), "made up"
    assert refusal(client, authority.order(authority.sign(client.origin.request(NAMES)))) == "router"
    assert lab.settings.certificate.read_bytes() == before
