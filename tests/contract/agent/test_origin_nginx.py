"""A real nginx with the droplet's own TLS lines: what it shows, and whom it answers."""

from __future__ import annotations

import http.client
import shutil
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent import wire
from agent.server.origin import Origin
from agent.server.router import Router, Tls
from fleet import origins
from tests.contract.agent.nginx import SOURCE, Nginx
from tests.contract.sandbox.cloudflare.serving import free_port
from tests.fakes.identities import Authority, first_boot

NAME = "a.example.com"
STRANGER = "127.0.0.9"
"""Not the address at which the droplet asks itself."""


class Shown(Nginx):
    """nginx with TLS as `agent/nginx/site/listen.conf` has it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.tls_port = free_port()
        self.tls = folder / "tls"
        first_boot(self.tls)
        lines = (SOURCE / "site" / "listen.conf").read_text().replace("/var/lib/deployer/tls", str(self.tls))
        kept = [line for line in lines.splitlines() if "listen" not in line]
        kept += [f"listen 127.0.0.1:{self.tls_port} ssl http2;", f"listen 127.0.0.1:{self.port};"]
        self._site("listen", "\n".join(kept) + "\n")
        state = (SOURCE / "site" / "state.conf").read_text().replace("/var/lib/deployer", str(folder))
        self._site("state", state.replace("/etc/deployer/nginx", str(folder)))
        self.router = Router(folder / "admin.sock", self.file, self.port, Tls(self.tls_port, folder / "nginx.pid"))
        self.origin = Origin(self.tls / "certificate.pem", self.router)

    def visit(self, trusted: str, shown: Path | None = None, address: str = STRANGER) -> int:
        """What somebody who trusts this authority alone is answered, with this certificate or none."""
        context = ssl.create_default_context(cadata=trusted)
        if shown:
            context.load_cert_chain(shown)
        with closing(_Named("127.0.0.1", self.tls_port, context=context, source_address=(address, 0))) as connection:
            connection.request("GET", "/", headers={"Host": NAME})
            return connection.getresponse().status


class _Named(http.client.HTTPSConnection):
    """Asks for the name, at an address."""

    def connect(self) -> None:
        """TLS for the name."""
        http.client.HTTPConnection.connect(self)
        context: ssl.SSLContext = self._context  # type: ignore[attr-defined]  # which the stubs leave out
        self.sock = context.wrap_socket(self.sock, server_hostname=NAME)


@pytest.fixture
def nginx() -> Iterator[Shown]:
    folder = Path(tempfile.mkdtemp(prefix="agent-nginx-"))
    folder.chmod(0o755)
    found = Shown(folder)
    try:
        found.start()
        yield found
    finally:
        found.stop()
        shutil.rmtree(folder)


def install(nginx: Shown, signer: Authority, pulls: Authority, *, required: bool) -> wire.Origin:
    """A certificate of one authority, and admission for those whom another vouches for."""
    csr = nginx.origin.request(wire.OriginRequest(names=("example.com", "*.example.com"))).csr
    return nginx.origin.install(pulls.order(signer.sign(csr), required=required))


def test_the_certificate_is_shown_without_a_restart_and_nobody_is_refused_yet(nginx: Shown) -> None:
    signer, edge = Authority("origins"), Authority("the edge")
    found = install(nginx, signer, edge, required=False)
    assert (found.signed, found.required, found.asks) == (True, False, True)
    assert nginx.visit(signer.pem) == 421
    assert nginx.get(NAME)[0] == 421


def test_once_it_is_demanded_only_the_edge_is_answered(nginx: Shown, tmp_path: Path) -> None:
    signer, edge, others = Authority("origins"), Authority("the edge"), Authority("somebody else")
    install(nginx, signer, edge, required=True)
    assert nginx.visit(signer.pem, edge.client(tmp_path / "edge.pem")) == 421  # answered: nothing is served here
    assert nginx.visit(signer.pem) == 403
    assert nginx.visit(signer.pem, others.client(tmp_path / "other.pem")) == 403
    assert nginx.router.status(NAME, "/") == 421  # the droplet itself


def test_it_is_demanded_no_more_when_that_is_taken_back_and_after_a_restart_as_before(nginx: Shown) -> None:
    signer, edge = Authority("origins"), Authority("the edge")
    install(nginx, signer, edge, required=True)
    nginx.stop()
    nginx.start()
    assert nginx.visit(signer.pem) == 403
    install(nginx, signer, edge, required=False)
    assert nginx.visit(signer.pem) == 421


def test_a_certificate_that_is_its_own_authority_is_admitted_and_during_an_exchange_two_of_them(
    nginx: Shown, tmp_path: Path
) -> None:
    signer, now = Authority("origins"), datetime.now(UTC)
    old, new, other = (origins.new_pulls(now) for _ in range(3))
    csr = nginx.origin.request(wire.OriginRequest(names=("example.com", "*.example.com"))).csr
    both = new.certificate + old.certificate
    order = wire.OriginCertificate(certificate=signer.sign(csr), pulls=both, required=True)
    assert nginx.origin.install(order).pulls == origins.fingerprint(new.certificate)
    for pair, status in ((old, 421), (new, 421), (other, 403)):
        path = tmp_path / "shown.pem"
        path.write_text(pair.key + pair.certificate)
        assert nginx.visit(signer.pem, path) == status
