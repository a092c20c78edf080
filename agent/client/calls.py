"""One call of an agent: what all methods of the client are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from agent import wire
from agent.client.transport import CALL_SECONDS, NO_HEADERS, M, checked, json_body, parsed, timeout_of, translated


class Calls:
    """Calls over an open client, whose base URL, key and certificate are the droplet's."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def _call(
        self,
        reply: type[M],
        method: str,
        path: str,
        body: wire.Request | None = None,
        *,
        seconds: float = CALL_SECONDS,
        params: dict[str, Any] | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> M:
        given = json_body(body, headers)
        with translated():
            answer = self._http.request(method, path, **given, params=params, timeout=timeout_of(seconds))
        return parsed(reply, checked(answer))
