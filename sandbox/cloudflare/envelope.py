"""What surrounds every answer: the envelope, the pages, `cf-ray`, and the rate-limit headers."""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from fastapi.responses import JSONResponse

from sandbox.cloudflare.errors import CloudflareError, invalid

JSON = dict[str, Any]


def answer(result: Any, *, info: JSON | None = None, status: int = 200) -> JSONResponse:
    """A success: the envelope around a result, with `result_info` for lists."""
    body: JSON = {"success": True, "errors": [], "messages": [], "result": result}
    if info is not None:
        body["result_info"] = info
    return JSONResponse(body, status)


def refusal(error: CloudflareError) -> JSONResponse:
    """A failure: the envelope without a result."""
    body = {"success": False, "errors": [error.as_dict()], "messages": [], "result": None}
    return JSONResponse(body, error.status, headers=error.headers)


def page(items: Sequence[JSON], query: Mapping[str, str], *, default: int, most: int) -> JSONResponse:
    """One page of a list. A page beyond the last is empty: clients ask on until they see one."""
    number = _positive(query.get("page", "1"), "page")
    size = min(_positive(query.get("per_page", str(default)), "per_page"), most)
    part = items[(number - 1) * size : number * size]
    info = {
        "page": number,
        "per_page": size,
        "count": len(part),
        "total_count": len(items),
        "total_pages": math.ceil(len(items) / size),
    }
    return answer(list(part), info=info)


def _positive(text: str, name: str) -> int:
    """A page number; the SDK sends floats where the document says `number`."""
    try:
        number = int(float(text))
    except (ValueError, OverflowError):
        number = 0
    if number < 1:
        raise invalid(9207, f"Invalid value for {name}: must be a whole number from 1.")
    return number


def body(raw: bytes) -> JSON:
    """The JSON object that was sent; anything else is refused."""
    try:
        document = json.loads(raw)
    except ValueError as error:
        raise invalid(9207, "Request body is invalid.") from error
    if not isinstance(document, dict):
        raise invalid(9207, "Request body is invalid.")
    return document


def ray() -> str:
    """A fresh id of a request, as in `cf-ray`."""
    return f"{secrets.token_hex(8)}-SBX"


@dataclass
class RateLimit:
    """Cloudflare's budget for one user: so many calls in a window of so many seconds, then 429 until it ends."""

    quota: int = 1200
    seconds: int = 300
    used: int = 0
    started: float = 0.0

    def spend(self) -> None:
        """Counts one call; raises 429 with `retry-after` when the budget is used up."""
        if monotonic() - self.started > self.seconds:
            self.used, self.started = 0, monotonic()
        self.used += 1
        if self.used > self.quota:
            error = CloudflareError(429, 971, "Please wait and consider throttling your request speed")
            error.headers["retry-after"] = str(self._left())
            raise error

    def headers(self) -> dict[str, str]:
        """`ratelimit` and `ratelimit-policy`: what is left, and for how many seconds."""
        remaining = max(0, self.quota - self.used)
        return {
            "ratelimit": f'"default";r={remaining};t={self._left()}',
            "ratelimit-policy": f'"default";q={self.quota};w={self.seconds}',
        }

    def _left(self) -> int:
        return max(1, math.ceil(self.started + self.seconds - monotonic()))
