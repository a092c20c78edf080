"""Connections to origins: TLS as the zone's `ssl` setting says, kept alive, and failures told apart."""

from __future__ import annotations

import asyncio
import errno
import ssl
import tempfile
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from yarl import URL

from sandbox.edge.names import Site
from sandbox.edge.pages import Failure, origin_failure

SOURCE = "127.76.0.1"  # lies in the ranges that the sandbox's `/ips` names
ANSWER_SECONDS = 100  # as Cloudflare: silence of an origin for longer is a 524
IDLE_SECONDS = 15  # well below nginx's 75 s, so that the edge closes an idle connection and not the origin
LONGEST_LINE = 65536

_UNREACHABLE = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL)


@dataclass(frozen=True)
class Way:
    """One way to an origin: the address to dial and the TLS to speak, None for plain HTTP."""

    address: str
    name: str
    tls: ssl.SSLContext | None

    def url(self, path: str) -> URL:
        """The URL that dials this origin for a raw path with its query."""
        scheme, port = ("http", 80) if self.tls is None else ("https", 443)
        return URL(f"{scheme}://{self.address}:{port}{path if path.startswith('/') else '/'}", encoded=True)


class Origins:
    """The pool of connections to all origins, from the edge's source address.

    Args: `origin_ca` gives the certificate (PEM) that mode `strict` trusts; `connect_seconds` bounds a connection's
    making, TLS included.
    """

    def __init__(self, origin_ca: Callable[[], str], connect_seconds: float) -> None:
        self._origin_ca = origin_ca
        self._timeout = ClientTimeout(total=None, sock_connect=connect_seconds, sock_read=ANSWER_SECONDS)
        self._contexts: dict[tuple[bool, str], ssl.SSLContext] = {}
        self._session: ClientSession | None = None

    async def open(self) -> None:
        """Makes the pool; belongs to the running event loop."""
        connector = TCPConnector(limit=0, local_addr=(SOURCE, 0), keepalive_timeout=IDLE_SECONDS)
        self._session = ClientSession(
            connector=connector,
            timeout=self._timeout,
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            max_line_size=LONGEST_LINE,
            max_field_size=LONGEST_LINE,
            read_bufsize=2**18,
        )

    async def close(self) -> None:
        """Closes every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    @property
    def session(self) -> ClientSession:
        """The open pool."""
        if self._session is None:
            raise RuntimeError("the edge is not started: await Edge.start() first")
        return self._session

    def way(self, site: Site, address: str) -> Way:
        """How to reach one address of a site in the zone's mode."""
        return Way(address, site.name, self._tls(site.ssl, site.pulls))

    def _tls(self, mode: str, pulls: str) -> ssl.SSLContext | None:
        if mode in ("off", "flexible"):
            return None
        wanted = mode == "strict", pulls
        if wanted not in self._contexts:
            strict = ssl.create_default_context(cadata=self._origin_ca()) if mode == "strict" else _unchecked()
            self._contexts[wanted] = _showing(strict, pulls)
        return self._contexts[wanted]


def _showing(context: ssl.SSLContext, pulls: str) -> ssl.SSLContext:
    """The same, with the key and certificate that origins get to see."""
    if pulls:
        with tempfile.NamedTemporaryFile("w") as file:  # closed to others; OpenSSL takes keys from files alone
            file.write(pulls)
            file.flush()
            context.load_cert_chain(file.name)
    return context


def _unchecked() -> ssl.SSLContext:
    """TLS that checks no certificate: mode `full` is defined so; whoever wants a check sets mode `strict`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def failure_of(error: Exception, address: str) -> Failure:
    """The failure that Cloudflare would show for an error on the way to an origin."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return origin_failure(522, f"{address} did not answer the connection in time.")
    if isinstance(error, asyncio.TimeoutError):
        return origin_failure(524, f"{address} was silent for {ANSWER_SECONDS} seconds.")
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return origin_failure(526, f"The certificate of {address} is not one of the Origin CA for this name.")
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return origin_failure(525, f"No TLS with {address}.")
    if isinstance(error, aiohttp.ClientConnectorError):
        return _unconnected(error, address)
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError):
        return origin_failure(520, f"{address} closed the connection without an answer.")
    return origin_failure(502, f"{address} gave an answer that is no HTTP.")


def _unconnected(error: aiohttp.ClientConnectorError, address: str) -> Failure:
    if error.os_error.errno in _UNREACHABLE:
        return origin_failure(523, f"{address} is not reachable.")
    if error.os_error.errno == errno.ETIMEDOUT:
        return origin_failure(522, f"{address} did not answer the connection in time.")
    return origin_failure(521, f"{address} refused the connection.")
