"""nginx over its admin socket: the table of routes, and what it counted.

A new table is written to a file first (atomically: nginx reads it when it starts), then handed to the running nginx,
then read back. When nginx does not take it, the file goes back to what it was.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from agent import wire
from agent.server import visits
from agent.server.ports import Count, RouterError
from agent.server.secret_files import write_private
from agent.unix_http import UnixConnection

CALL_SECONDS: Final = 5.0
VISIT_SECONDS: Final = 2.0
RELOAD_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.05
_LOCAL: Final = "127.0.0.1"


class Tls(NamedTuple):
    """Where nginx speaks TLS, and the file that names its process."""

    port: int
    pid: Path


TLS: Final = Tls(443, Path("/run/nginx.pid"))


class Router:
    """The port `agent.server.ports.Router` on the nginx of this droplet; any thread may call."""

    def __init__(self, admin_socket: Path, file: Path, port: int = 80, tls: Tls = TLS) -> None:
        self._socket = admin_socket
        self._file = file
        self._port = port
        self._tls = tls
        self._lock = threading.Lock()

    def read(self) -> wire.Routes:
        """The table that nginx uses now."""
        return _routes(self._ask("GET", "/routes"))

    def update(self, change: Callable[[wire.Routes], wire.Routes]) -> bool:
        """Replace the table by what `change` makes of it; one change at a time, so that none is lost."""
        with self._lock:
            now = self.read()
            wanted = change(now)
            if wanted == now:
                return False
            self._write(wanted)
            return True

    def in_flight(self, container: str, release: str) -> int:
        """How many requests of a release are being answered."""
        counts = [one for one in self.counts() if (one.container, one.release) == (container, release)]
        return max(sum(one.in_flight for one in counts), 0)

    def counts(self) -> tuple[Count, ...]:
        """All that nginx counted."""
        found = self._ask("GET", "/counters")
        try:
            return tuple(
                Count(
                    container=one["container"],
                    release=one["release"],
                    in_flight=int(one["in_flight"]),
                    total=int(one["total"]),
                    errors=int(one["errors"]),
                    seconds=float(one["seconds"]),
                )
                for one in found
            )
        except (KeyError, TypeError, ValueError) as error:
            raise RouterError(f"its counters are malformed: {error!r}") from error

    def status(self, host: str, path: str) -> int:
        """What a visitor of this name is answered, over plain HTTP: TLS is the edge's affair."""
        try:
            return visits.status("127.0.0.1", self._port, path, {"Host": host}, VISIT_SECONDS)
        except (OSError, http.client.HTTPException) as error:
            raise RouterError(f"it does not answer at port {self._port}: {error or type(error).__name__}") from error

    def check(self) -> tuple[bool, str]:
        """Whether nginx answers and uses the table that is on the disk."""
        used = self.read()
        if not self._file.exists():
            return (True, "") if not used.routes else (False, f"nginx has routes, but {self._file} is missing")
        try:
            kept = wire.Routes.model_validate_json(self._file.read_bytes())
        except ValidationError:
            return False, f"{self._file} is not a table of routes: the next restart of nginx would lose them"
        return (True, "") if kept == used else (False, f"nginx uses another table than {self._file} holds")

    def asks(self) -> bool:
        """Whether it asks the edge for a certificate."""
        return self._required() is not None

    def present(self, certificate: bytes, required: bool) -> bool:
        """Have it show what the file holds by now; False: it does already.

        A new certificate, alone, makes it read its files again: that closes connections on which nothing is asked.
        """
        if self._presents(certificate, required):
            return False
        try:
            os.kill(int(self._tls.pid.read_text()), signal.SIGHUP)
        except (OSError, ValueError) as error:
            raise RouterError(f"it could not be told of the certificate: {error}") from error
        end = time.monotonic() + RELOAD_SECONDS
        while not self._presents(certificate, required):
            if time.monotonic() > end:
                raise RouterError(f"it did not take up the certificate within {RELOAD_SECONDS:g} s")
            time.sleep(_POLL_SECONDS)
        return True

    def _presents(self, certificate: bytes, required: bool) -> bool:
        try:
            shown = ssl.get_server_certificate((_LOCAL, self._tls.port), timeout=VISIT_SECONDS)
        except OSError:  # of a connection that the reload closed too
            return False
        same = ssl.PEM_cert_to_DER_cert(shown) == ssl.PEM_cert_to_DER_cert(certificate.decode())
        return same and bool(self._required()) == required

    def _required(self) -> bool | None:
        """Whether whoever shows no certificate of the edge's is refused; None: an older one, which asks for none."""
        status, content = self._send("GET", "/origin")
        if status == http.client.NOT_FOUND:
            return None
        return bool(_decoded(status, content)["required"])

    def _write(self, routes: wire.Routes) -> None:
        before = self._file.read_bytes() if self._file.exists() else None
        write_private(self._file, _text(routes))
        try:
            self._ask("PUT", "/routes", _text(routes))
            if self.read() != routes:
                raise RouterError("another table is in use after the change")
        except RouterError:
            self._restore(before)
            raise

    def _restore(self, before: bytes | None) -> None:
        if before is None:
            self._file.unlink(missing_ok=True)
        else:
            write_private(self._file, before)
        with contextlib.suppress(RouterError):  # nginx may be away altogether: it reads the file when it is back
            self._ask("PUT", "/routes", before or _text(wire.Routes(routes=())))

    def _ask(self, method: str, path: str, body: bytes | None = None) -> Any:
        return _decoded(*self._send(method, path, body))

    def _send(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        connection = UnixConnection(self._socket, CALL_SECONDS)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            raise RouterError(f"it does not answer at {self._socket}: {error or type(error).__name__}") from error
        finally:
            connection.close()


def _decoded(status: int, content: bytes) -> Any:
    try:
        document = json.loads(content)
    except ValueError:
        raise RouterError(f"it answered {status} with something that is not JSON") from None
    if status != http.client.OK:
        problem = document.get("error", "no reason given") if isinstance(document, dict) else "no reason given"
        raise RouterError(f"it answered {status}: {problem}")
    return document


def _routes(document: Any) -> wire.Routes:
    try:
        return wire.Routes.model_validate(document)
    except ValidationError as error:
        raise RouterError(f"its table is malformed: {error}") from error


def _text(routes: wire.Routes) -> bytes:
    return routes.model_dump_json(exclude_none=True).encode() + b"\n"
