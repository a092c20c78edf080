"""What every call passes: the rate limit, the token, and the translation of failures into envelopes."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable

from fastapi import Request, Response
from fastapi.routing import APIRoute

from sandbox.cloudflare.envelope import RateLimit, ray, refusal
from sandbox.cloudflare.errors import CloudflareError, invalid

OPEN = ("/ips",)  # calls that Cloudflare answers to anybody

Handler = Callable[[Request], Awaitable[Response]]


def guarded(token: str, limit: RateLimit) -> type[APIRoute]:
    """A route class for one token and one budget; the token is checked before a body is read."""

    class GuardedRoute(APIRoute):
        def get_route_handler(self) -> Handler:  # type: ignore[override]
            handler, needs_token = super().get_route_handler(), self.path not in OPEN

            async def guard(request: Request) -> Response:
                try:
                    limit.spend()
                    if needs_token:
                        _check(request, token, self.path)
                    response = await handler(request)
                except CloudflareError as error:
                    response = refusal(error)
                response.headers.update({"cf-ray": ray(), **limit.headers()})
                return response

            return guard

    return GuardedRoute


def token_id(token: str) -> str:
    """The id by which Cloudflare names a token without showing it: 32 hex digits."""
    return hashlib.sha256(f"token:{token}".encode()).hexdigest()[:32]


def _check(request: Request, token: str, path: str) -> None:
    header = request.headers.get("authorization")
    if header is None:
        raise invalid(9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers")
    scheme, _, given = header.partition(" ")
    if scheme.lower() != "bearer" or not given.strip():
        chain = (6111, "Invalid format for Authorization header")
        raise CloudflareError(400, 6003, "Invalid request headers", chain=chain)
    if not hmac.compare_digest(given.strip().encode(), token.encode()):
        raise _wrong_token(path)


def _wrong_token(path: str) -> CloudflareError:
    """Each part of Cloudflare has a number of its own for the same refusal."""
    if path == "/user/tokens/verify":
        return CloudflareError(401, 1000, "Invalid API Token")
    if path == "/zones":
        return CloudflareError(401, 9109, "Invalid access token")
    return CloudflareError(401, 10000, "Authentication error")
