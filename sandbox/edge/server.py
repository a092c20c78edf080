"""The edge's two listeners."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path

from aiohttp import web

from sandbox.cloudflare.origin_ca import authority_pem
from sandbox.edge.names import LOCAL, real_name, zone_of
from sandbox.edge.origins import LONGEST_LINE, Origins
from sandbox.edge.proxy import Proxy
from sandbox.edge.proxy import log as proxy_log
from sandbox.store import Store

ADDRESS = "127.0.0.1"
Certificates = Callable[[Sequence[str]], ssl.SSLContext]


class Edge:
    """Cloudflare's place between a browser and the droplets.

    `http(s)://{host}.{zone}.localhost:{port}` and a plain `Host: {host}.{zone}` reach one of the name's A records;
    a refused or timed-out connection is tried once more elsewhere.

    Args: `http_port` and `https_port` on 127.0.0.1; `state` gets `edge.log` with what failed; `tls` makes a server
    context with a certificate for the names given; `connect_seconds` bounds each connection to an origin.
    """

    def __init__(
        self,
        store: Store,
        http_port: int,
        https_port: int,
        state: Path,
        tls: Certificates,
        *,
        connect_seconds: float = 5.0,
    ) -> None:
        self._store = store
        self._ports = http_port, https_port
        self._state = state
        self._tls = tls
        self._origins = Origins(lambda: authority_pem(store), connect_seconds)
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._runner: web.ServerRunner | None = None
        self._log: logging.Handler | None = None

    async def start(self) -> None:
        """Listens on both ports; raises OSError when one is taken."""
        self._log = logging.FileHandler(self._state / "edge.log", delay=True)
        self._log.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        proxy_log.addHandler(self._log)
        await self._origins.open()
        proxy = Proxy(self._store, self._origins)
        server = web.Server(
            proxy, access_log=None, max_line_size=LONGEST_LINE, max_field_size=LONGEST_LINE, auto_decompress=False
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=2.0)
        await self._runner.setup()
        http_port, https_port = self._ports
        await web.TCPSite(self._runner, ADDRESS, http_port).start()
        await web.TCPSite(self._runner, ADDRESS, https_port, ssl_context=self._listener_tls()).start()

    async def stop(self) -> None:
        """Closes the listeners and every connection. May be repeated."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        await self._origins.close()
        if self._log is not None:
            proxy_log.removeHandler(self._log)
            self._log.close()
            self._log = None

    def _listener_tls(self) -> ssl.SSLContext:
        """A certificate for `localhost`, changed for that of the visitor's zone as soon as its name is known."""
        context = self._tls([LOCAL.lstrip(".")])
        context.sni_callback = self._choose
        return context

    def _choose(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        zone = zone_of(self._store, real_name(name)) if name else None
        if zone is not None:
            connection.context = self._zone_tls(zone["name"])

    def _zone_tls(self, zone: str) -> ssl.SSLContext:
        """The certificate of a zone: the zone and one level below, as Cloudflare's, and the same on `.localhost`."""
        if zone not in self._contexts:
            names = [f"{prefix}{zone}{suffix}" for suffix in ("", LOCAL) for prefix in ("", "*.")]
            self._contexts[zone] = self._tls(names)
        return self._contexts[zone]
