"""Docker's HTTP API over its Unix socket, with the standard library alone.

The `docker` package was measured against this: importing it costs 13 MiB of memory on a droplet (requests, urllib3
and their data), a quarter of the agent's whole budget, for the dozen calls that the agent makes.
The version of the API is pinned to that of Docker 20.10, which every later engine still speaks.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlencode

from agent.unix_http import UnixConnection

VERSION: Final = "v1.41"
CALL_SECONDS: Final = 30.0
CHUNK_BYTES: Final = 1 << 18

Parameters = dict[str, str | int]
NO_HEADERS: Final[Mapping[str, str]] = {}


class EngineError(Exception):
    """Docker refused a call; the message is Docker's own. `status` is its HTTP status (0: the call was malformed)."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class EngineAbsent(EngineError):
    """What the call names is not there."""


class EngineDown(EngineError):
    """Docker did not answer in time, or at all: nothing is known about its containers."""


class Answer:
    """A streamed answer: its chunks, and a `close` that another thread may call while this one waits."""

    def __init__(self, connection: UnixConnection, response: http.client.HTTPResponse) -> None:
        self._connection = connection
        self._socket = connection.sock
        self._response = response

    def chunks(self) -> Iterator[bytes]:
        """The bytes as they come, at most CHUNK_BYTES at once."""
        try:
            while chunk := self._response.read1(CHUNK_BYTES):
                yield chunk
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise EngineDown(f"its stream broke off: {error or type(error).__name__}") from error
        finally:
            self.close()

    def close(self) -> None:
        """End the stream; a reader that waits sees its end."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # ended already, by either side
        finally:
            self._connection.close()


class DockerApi:
    """Calls Docker; each call has a connection of its own, so any number of threads may call at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        """Its socket."""

    def json(
        self,
        method: str,
        path: str,
        body: object | None = None,
        *,
        seconds: float = CALL_SECONDS,
        **parameters: str | int,
    ) -> Any:
        """One call and its decoded answer (None when it is empty).

        Raises:
            EngineAbsent, EngineError: Docker answered 404, or another error.
            EngineDown: it did not answer within `seconds`.
        """
        payload = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if payload else {}
        answer = self._send(method, path, parameters, payload, headers, seconds)
        content = b"".join(answer.chunks())
        return json.loads(content) if content else None

    def stream(
        self,
        method: str,
        path: str,
        body: Iterable[bytes] | IO[bytes] | None = None,
        *,
        seconds: float = CALL_SECONDS,
        headers: Mapping[str, str] = NO_HEADERS,
        **parameters: str | int,
    ) -> Answer:
        """One call whose body and answer are streams; `seconds` bounds each wait for more of either."""
        kind = {"Content-Type": "application/x-tar"} if body is not None else {}
        return self._send(method, path, parameters, body, {**kind, **headers}, seconds)

    def _send(
        self, method: str, path: str, parameters: Parameters, body: Any, headers: dict[str, str], seconds: float
    ) -> Answer:
        connection = UnixConnection(self.path, seconds)
        target = f"/{VERSION}{path}" + (f"?{urlencode(parameters)}" if parameters else "")
        try:
            connection.request(method, target, body, headers, encode_chunked=not isinstance(body, bytes | None))
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise EngineDown(f"{method} {path}: {error or type(error).__name__}") from error
        answer = Answer(connection, response)
        if response.status >= 400:
            raise _error(response.status, b"".join(answer.chunks()))
        return answer


def moment(stamp: str) -> datetime | None:
    """Docker's time (nanoseconds, UTC) as ours; None for its year 1, which means never."""
    if not stamp or stamp.startswith("0001-"):
        return None
    whole, _, fraction = stamp.rstrip("Z").partition(".")
    try:
        return datetime.fromisoformat(f"{whole}.{fraction[:6]:0<6}").replace(tzinfo=UTC)
    except ValueError:
        return None


def _error(status: int, content: bytes) -> EngineError:
    try:
        message = str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        message = content.decode(errors="replace").strip()[:500]
    return EngineAbsent(message, status) if status == 404 else EngineError(message, status)
