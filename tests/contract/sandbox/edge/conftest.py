"""A running edge with its zone, and origins on loopback addresses."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sandbox.cloudflare import records
from sandbox.cloudflare.origin_ca import issue
from sandbox.cloudflare.zones import find_zone, read_records, seed, write_records, write_ssl
from sandbox.edge import Edge
from sandbox.store import Store
from tests.contract.sandbox.cloudflare.serving import Loop, free_port
from tests.contract.sandbox.edge.origin import Forgetful, Origin

FIRST, SECOND, DOWN = "127.77.250.1", "127.77.250.2", "127.77.250.3"


@dataclass
class Ports:
    """Where the edge listens."""

    http: int
    https: int


class Zone:
    """The zone `example.test`, changed as its owner would."""

    def __init__(self, store: Store) -> None:
        zone = find_zone(store, "example.test")
        assert zone is not None
        self._store, self._id = store, str(zone["id"])

    def point(self, name: str, *addresses: str, proxied: bool = True, kind: str = "A") -> None:
        """Adds a record for each address."""
        for address in addresses:
            fields = {"name": name, "type": kind, "content": address, "proxied": proxied}
            left, _ = records.create(read_records(self._store, self._id), "example.test", fields)
            write_records(self._store, self._id, left)

    def ssl(self, mode: str) -> None:
        """Sets the zone's mode towards origins."""
        write_ssl(self._store, self._id, mode)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store.db")
    seed(store)
    return store


@pytest.fixture
def zone(store: Store) -> Zone:
    return Zone(store)


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture
def ports(store: Store, loop: Loop, authority: trustme.CA, tmp_path: Path) -> Iterator[Ports]:
    def tls(names: Sequence[str]) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*names).configure_cert(context)
        return context

    ports = Ports(free_port(), free_port())
    edge = Edge(store, ports.http, ports.https, tmp_path, tls, connect_seconds=0.5)
    loop.run(edge.start())
    yield ports
    loop.run(edge.stop())


@pytest.fixture
def visitor(ports: Ports) -> Iterator[httpx.Client]:
    """A browser on the edge's plain port, which sends the Host that each test names."""
    with httpx.Client(base_url=f"http://127.0.0.1:{ports.http}", timeout=60) as client:
        yield client


Serve = Callable[..., Origin]


@pytest.fixture
def serve(loop: Loop, authority: trustme.CA) -> Iterator[Serve]:
    """Starts an origin on an address, over TLS with a certificate of its own unless told otherwise."""
    with contextlib.ExitStack() as stack:

        def start(address: str, *, tls: ssl.SSLContext | None = None, plain: bool = False) -> Origin:
            origin = Origin(address, None if plain else tls or own_tls())
            loop.run(origin.start())
            stack.callback(lambda: loop.run(origin.stop()))
            return origin

        yield start


def own_tls() -> ssl.SSLContext:
    """TLS with a certificate that nobody knows, as a droplet makes for itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("droplet.internal").configure_cert(context)
    return context


@pytest.fixture
def forget(loop: Loop) -> Iterator[Callable[..., Forgetful]]:
    """Starts an origin that closes each connection after one answer."""
    with contextlib.ExitStack() as stack:

        def start(address: str, **options: Any) -> Forgetful:
            origin = Forgetful(address, **options)
            loop.run(origin.start())
            stack.callback(lambda: loop.run(origin.stop()))
            return origin

        yield start


@pytest.fixture
def origin_tls(store: Store, tmp_path: Path) -> ssl.SSLContext:
    """TLS with a certificate of the zone's Origin CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    request = {"csr": csr.public_bytes(pem).decode(), "hostnames": ["*.example.test"], "request_type": "origin-ecc"}
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path / "origin.pem"
    path.write_bytes(private + issue(store, request)["certificate"].encode())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@pytest.fixture
def forget_tls(loop: Loop) -> Iterator[None]:
    """An origin at FIRST whose port 443 speaks no TLS."""
    origin = Forgetful(FIRST, answer=b"HTTP/1.1 400 Bad Request\r\n\r\n", port=443)
    loop.run(origin.start())
    yield
    loop.run(origin.stop())
