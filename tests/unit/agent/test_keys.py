"""The derived keys: the same everywhere, different for every droplet, and good for real TLS."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from agent import keys

TOKEN = "dop_v1_example"
DROPLET = "demo-prod-3f9a1c"


def handshake(tmp_path: Path, served: keys.Identity, accepted: keys.Identity) -> str:
    """Serves one TLS connection with one identity to a client that accepts another; gives the version."""
    (tmp_path / "key.pem").write_bytes(served.key)
    (tmp_path / "cert.pem").write_bytes(served.certificate)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    client = ssl.create_default_context(cadata=accepted.certificate.decode())
    near, far = socket.socketpair()
    near.settimeout(5)
    far.settimeout(5)

    def serve() -> None:
        try:
            server.wrap_socket(far, server_side=True).close()
        except OSError:
            far.close()  # the client hung up on us: the test asks the client why

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(near, server_hostname=DROPLET) as tls:
            return tls.version() or ""
    finally:
        near.close()
        thread.join(5)


def test_an_identity_is_the_same_to_the_byte_on_every_call() -> None:
    secret = keys.droplet_secret(TOKEN, DROPLET)
    assert keys.identity(secret, DROPLET) == keys.identity(secret, DROPLET)


def test_a_client_accepts_the_certificate_that_it_computed_itself(tmp_path: Path) -> None:
    identity = keys.identity(keys.droplet_secret(TOKEN, DROPLET), DROPLET)
    assert handshake(tmp_path, identity, identity) == "TLSv1.3"


def test_a_client_refuses_the_certificate_of_another_secret(tmp_path: Path) -> None:
    right = keys.identity(keys.droplet_secret(TOKEN, DROPLET), DROPLET)
    boot = keys.identity(keys.boot_secret(TOKEN, DROPLET), DROPLET)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tmp_path, boot, right)


@given(st.text(max_size=40), st.text(max_size=40))
def test_two_droplets_never_share_a_secret_nor_does_the_boot_secret_open_a_droplet(one: str, two: str) -> None:
    secrets = {keys.droplet_secret(TOKEN, one), keys.boot_secret(TOKEN, one)}
    if one != two:
        secrets |= {keys.droplet_secret(TOKEN, two), keys.boot_secret(TOKEN, two)}
    assert len(secrets) == (2 if one == two else 4)


def test_the_api_key_reveals_neither_the_secret_nor_the_token() -> None:
    secret = keys.droplet_secret(TOKEN, DROPLET)
    key = keys.api_key(secret)
    assert len(key) == 64
    assert secret not in key
    assert TOKEN not in key


def test_the_certificate_names_the_droplet() -> None:
    identity = keys.identity(keys.droplet_secret(TOKEN, DROPLET), DROPLET)
    certificate = x509.load_pem_x509_certificate(identity.certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [DROPLET]


def test_every_number_and_every_token_gives_another_secret_and_the_first_is_that_of_the_first_contact() -> None:
    found = {keys.droplet_secret(token, DROPLET, number) for token in (TOKEN, "another") for number in range(1, 50)}
    assert len(found) == 98
    assert keys.droplet_secret(TOKEN, DROPLET, 1) == keys.droplet_secret(TOKEN, DROPLET)


def test_a_ring_tries_the_present_token_and_the_newest_key_first_and_one_more_than_it_knows_of() -> None:
    ring = keys.Ring("new", former="old", numbers=(1, 3))
    tried = [(one.number, one.current) for one in ring.openings(DROPLET)]
    assert tried == [(3, True), (1, True), (4, True), (3, False), (1, False), (4, False)]
    assert ring.openings(DROPLET)[0].secret == keys.droplet_secret("new", DROPLET, 3)
    assert ring.boots(DROPLET) == (keys.boot_secret("new", DROPLET), keys.boot_secret("old", DROPLET))


def test_neither_a_ring_nor_what_it_opens_by_shows_a_secret() -> None:
    ring = keys.Ring("dop_v1_new", former="dop_v1_old")
    shown = f"{ring!r} {ring.openings(DROPLET)!r}"
    assert "dop_v1" not in shown
    assert [one.secret for one in ring.openings(DROPLET) if one.secret in shown] == []
