"""nginx over its admin socket: the table of routes, and what it counted.

A new table is written to a file first (atomically: nginx reads it when it starts), then handed to the running nginx,
then read back. When nginx does not take it, the file goes back to what it was.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from agent import wire
from agent.server import visits
from agent.server.ports import Count, RouterError
from agent.server.secret_files import write_private
from agent.unix_http import UnixConnection

CALL_SECONDS: Final = 5.0
VISIT_SECONDS: Final = 2.0


class Router:
    """The port `agent.server.ports.Router` on the nginx of this droplet; any thread may call."""

    def __init__(self, admin_socket: Path, file: Path, port: int = 80) -> None:
        self._socket = admin_socket
        self._file = file
        self._port = port
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
        connection = UnixConnection(self._socket, CALL_SECONDS)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            response = connection.getresponse()
            status, content = response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            raise RouterError(f"it does not answer at {self._socket}: {error or type(error).__name__}") from error
        finally:
            connection.close()
        return _decoded(status, content)


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
