"""What every call passes: the token, the rate limit, and the translation of refusals into bodies."""

from __future__ import annotations

import hmac
import math
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import time
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from sandbox.digitalocean.errors import ApiError

Handler = Callable[[Request], Awaitable[Response]]


@dataclass
class RateLimit:
    """DigitalOcean's budget: so many calls an hour, and no more than so many, or lists of keys, within a minute."""

    hourly: int = 5000
    burst: int = 250
    key_lists: int = 10
    calls: deque[float] = field(default_factory=deque)
    listings: deque[float] = field(default_factory=deque)

    def spend(self, *, lists_keys: bool = False) -> None:
        """Counts one call; raises 429 when a budget is used up, and says how long to wait after a burst."""
        now = time()
        while self.calls and self.calls[0] < now - 3600:
            self.calls.popleft()
        if len(self.calls) >= self.hourly:
            raise _too_many()
        _refuse_burst(self.calls, self.burst, now)
        if lists_keys:
            _refuse_burst(self.listings, self.key_lists, now)
            self.listings.append(now)
        self.calls.append(now)

    def headers(self) -> dict[str, str]:
        """The budget as DigitalOcean tells it; `reset` is the second in which the oldest call is forgotten."""
        oldest = self.calls[0] if self.calls else time()
        left = max(0, self.hourly - len(self.calls))
        return {
            "ratelimit-limit": str(self.hourly),
            "ratelimit-remaining": str(left),
            "ratelimit-reset": str(math.ceil(oldest + 3600)),
        }


def guarded(token: str, limit: RateLimit) -> type[APIRoute]:
    """A route class for one token and one budget; the token is checked before a body is read. HEAD goes with GET."""

    class GuardedRoute(APIRoute):
        def __init__(self, *arguments: Any, **settings: Any) -> None:
            super().__init__(*arguments, **settings)
            if self.methods and "GET" in self.methods:
                self.methods.add("HEAD")

        def get_route_handler(self) -> Handler:  # type: ignore[override]
            handler = super().get_route_handler()

            async def guard(request: Request) -> Response:
                name = str(uuid.uuid4())
                try:
                    _check(request, token)
                    limit.spend(lists_keys=_lists_keys(request))
                    response = await handler(request)
                except ApiError as error:
                    response = _refusal(error, name)
                _tell(response, {"x-request-id": name, **limit.headers()})
                return response

            return guard

    return GuardedRoute


def _check(request: Request, token: str) -> None:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
        raise ApiError(401, "unauthorized", "Unable to authenticate you")


def _lists_keys(request: Request) -> bool:
    return request.method == "GET" and request.url.path.endswith("/account/keys")


def _tell(response: Response, headers: dict[str, str]) -> None:
    """Adds headers; those that a refusal has set stay."""
    for name, value in headers.items():
        response.headers.setdefault(name, value)


def _refusal(error: ApiError, name: str) -> JSONResponse:
    body = {"id": error.id, "message": error.message, "request_id": name}
    return JSONResponse(body, error.status, headers=error.headers)


def _refuse_burst(calls: deque[float], most: int, now: float) -> None:
    """429 when the last minute has seen too many; such an answer alone has `retry-after`, and says that none remain."""
    if len(calls) < most or calls[-most] <= now - 60:
        return
    error = _too_many()
    error.headers["retry-after"] = str(max(1, math.ceil(calls[-most] + 60 - now)))
    error.headers["ratelimit-remaining"] = "0"
    raise error


def _too_many() -> ApiError:
    return ApiError(429, "too_many_requests", "API Rate limit exceeded.")
