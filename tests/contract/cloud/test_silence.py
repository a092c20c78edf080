"""A cloud that takes a connection and never answers: the call ends by its own bound, and may be tried again."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import SHUT_RDWR, create_server, socket

import pytest
import trustme

from fleet.cloud import cloudflare
from fleet.cloud.cloudflare import Cloudflare
from fleet.cloud.digitalocean import api
from fleet.cloud.digitalocean.api import Api
from fleet.cloud.digitalocean.droplets import Droplets
from fleet.errors import TransientError
from tests.contract.cloud.serving import Served

TOKEN = "canary-token-5e2d"
SOON = 0.2


@contextmanager
def silence(folder: Path) -> Iterator[Served]:
    """Shakes hands with one visitor after another, reads, and says nothing."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    with create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=listen, args=(listener, context))
        thread.start()
        try:
            yield Served(f"https://localhost:{listener.getsockname()[1]}", folder / "ca.pem")
        finally:
            cloudflare.CLIENTS.close()
            api.CLIENTS.close()
            listener.shutdown(SHUT_RDWR)
            thread.join(20)


def listen(listener: socket, context: ssl.SSLContext) -> None:
    """Until the listener is shut down."""
    with suppress(OSError):
        while True:
            plain, _ = listener.accept()
            with plain, suppress(OSError), context.wrap_socket(plain, server_side=True) as visitor:
                while visitor.recv(65536):
                    pass


@pytest.fixture
def mute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """Where nobody says anything, to clients that wait a fifth of a second."""
    monkeypatch.setattr(api, "TIMEOUT_SECONDS", SOON)
    monkeypatch.setattr(cloudflare, "TIMEOUT_SECONDS", SOON)
    with silence(tmp_path) as served:
        yield served


def test_a_call_that_digitalocean_does_not_answer_ends_may_be_tried_again_and_counts_as_failed(mute: Served) -> None:
    api.TALLY.take()
    with pytest.raises(TransientError, match="did not answer") as caught:
        Droplets(Api(TOKEN, mute.url, mute.ca_file)).read(7)
    assert TOKEN not in f"{caught.value!r} {caught.value}"
    assert api.TALLY.take() == (True,)


def test_a_call_that_cloudflare_does_not_answer_ends_and_may_be_tried_again(mute: Served) -> None:
    with pytest.raises(TransientError, match="did not answer") as caught:
        Cloudflare(TOKEN, "example.test", mute.url, mute.ca_file).read_edge_ranges()
    assert TOKEN not in f"{caught.value!r} {caught.value}"
