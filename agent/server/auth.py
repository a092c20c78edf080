"""Who may speak: decided from the request's head alone, before a byte of its body is read.

The middleware answers without ever calling `receive` and asks for the connection to be closed, so that an
unauthorised upload ends after what the socket's buffers hold. The key comes in one header. A query parameter that
looks like a credential is refused, whatever else is right, because queries end up in logs.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import re
import time
from collections import OrderedDict
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Receive, Scope, Send

from agent import keys, wire
from agent.server.errors import reply
from agent.server.settings import CONTAINER_RANGES, Limits, Settings

OPEN = frozenset({"/ping"})
_CREDENTIAL_NAME = re.compile(r"key|token|secret|passw|pwd|auth|credential|bearer|signature", re.IGNORECASE)
_CREDENTIAL_VALUE = re.compile(r"^([0-9a-f]{64}|do[opr]_v1_.*|Bearer\b.*)$", re.IGNORECASE)
_ADDRESSES = 1024
_SLEEPERS = 16
_LONGEST_PAUSE = 2.0


class Authentication:
    """ASGI middleware that lets through what carries the droplet's key."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        secrets = [settings.secret, *([settings.former] if settings.former else [])]
        self._keys = [keys.api_key(one).encode() for one in secrets]
        self._offenders = Offenders(settings.limits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 400, 401 or 429 from the head, or pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._query_refusal(scope) or await self._key_refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
            return
        status, problem, retry = refusal
        headers = {"connection": "close", **({"retry-after": str(retry)} if retry else {})}
        await reply(status, problem, headers)(scope, receive, send)

    def _query_refusal(self, scope: Scope) -> tuple[int, wire.Problem, int] | None:
        if not looks_like_credential(scope["query_string"]):
            return None
        message = "A query parameter looks like a credential; its value is in no log of the agent."
        hint = f"Send the key in the header {wire.KEY_HEADER}, and treat what the query held as leaked."
        return 400, wire.Problem(code="credential_in_query", message=message, hint=hint), 0

    async def _key_refusal(self, scope: Scope) -> tuple[int, wire.Problem, int] | None:
        if scope["path"] in OPEN or self._open_to_neighbour(scope):
            return None
        given = _header(scope, wire.KEY_HEADER)
        if given is None:
            return 401, _unauthorized("carries no key"), 0
        if any([hmac.compare_digest(given, one) for one in self._keys]):  # all of them, whichever it is
            return None
        wait = await self._offenders.punish(_address(scope))
        if wait:
            hint = f"Wait {wait} s, and use the key of this very droplet."
            return 429, wire.Problem(code="too_many_requests", message="Too many wrong keys.", hint=hint), wait
        return 401, _unauthorized("carries a wrong key"), 0

    def _open_to_neighbour(self, scope: Scope) -> bool:
        """Reading without a key, where that is allowed, from the VPC and not from the droplet's own containers."""
        if self._settings.require_auth_always or scope["method"] != "GET" or not self._settings.enrolled:
            return False
        if _header(scope, wire.KEY_HEADER) is not None:
            return False  # whoever shows a key is judged by it
        try:
            address = ipaddress.ip_address(_address(scope))
        except ValueError:
            return False
        inside = any(address in network for network in self._settings.vpc_ranges)
        return inside and not any(address in network for network in CONTAINER_RANGES)


class Offenders:
    """Addresses that showed wrong keys: slowed, then refused, forgotten after a while. Holds a bounded number."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._seen: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._sleeping = 0

    async def punish(self, address: str) -> int:
        """Count a wrong key and wait; the seconds to stay away when the address has had its chances, else 0."""
        now = time.monotonic()
        count, since = self._seen.pop(address, (0, now))
        if now - since > self._limits.wrong_key_seconds:
            count, since = 0, now
        self._seen[address] = (count + 1, since)
        if len(self._seen) > _ADDRESSES:
            self._seen.popitem(last=False)
        if count >= self._limits.wrong_keys or self._sleeping >= _SLEEPERS:
            return max(1, round(since + self._limits.wrong_key_seconds - now))
        await self._pause(count)
        return 0

    async def _pause(self, count: int) -> None:
        self._sleeping += 1
        try:
            await asyncio.sleep(min(self._limits.wrong_key_pause * 2**count, _LONGEST_PAUSE))
        finally:
            self._sleeping -= 1


def looks_like_credential(query: bytes) -> bool:
    """Whether any parameter's name or value in a query string could be a credential."""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, separator="&")
    return any(_CREDENTIAL_NAME.search(name) or _CREDENTIAL_VALUE.match(value) for name, value in pairs)


def _unauthorized(what: str) -> wire.Problem:
    hint = f"Send this droplet's API key in the header {wire.KEY_HEADER}."
    return wire.Problem(code="unauthorized", message=f"The request {what}.", hint=hint)


def _header(scope: Scope, name: str) -> bytes | None:
    wanted = name.lower().encode()
    found = [bytes(value) for key, value in scope["headers"] if key == wanted]
    return found[0] if len(found) == 1 else None


def _address(scope: Scope) -> str:
    return str(scope["client"][0]) if scope.get("client") else ""
