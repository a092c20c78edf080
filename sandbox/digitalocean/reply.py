"""Bodies in and out: JSON objects, pages with `links` and `meta`, times."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from sandbox.digitalocean.errors import ApiError, not_found

JSON = dict[str, Any]

MOST_PER_PAGE = 200
_NO_CONTENT = 204


def now() -> str:
    """The time as the API writes it: UTC, whole seconds, `Z`."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def public(document: Mapping[str, Any]) -> JSON:
    """A document without what only the sandbox knows (keys that begin with an underscore)."""
    return {key: value for key, value in document.items() if not key.startswith("_")}


def answer(key: str, value: Any, status: int = 200) -> JSONResponse:
    """One thing under its name."""
    return JSONResponse({key: value}, status)


def done() -> Response:
    """An empty answer, 204."""
    return Response(status_code=_NO_CONTENT)


def destroyed() -> Response:
    """The empty answer for droplets, which names a type all the same."""
    return Response(status_code=_NO_CONTENT, media_type="application/json; charset=utf-8")


def found(document: JSON | None) -> JSON:
    """The document, or 404."""
    if document is None:
        raise not_found()
    return document


async def body(request: Request) -> JSON:
    """The JSON object that was sent; anything else is a 400."""
    try:
        document = json.loads(await request.body() or b"{}")
    except ValueError as error:
        raise ApiError(400, "bad_request", "The request body is not valid JSON.") from error
    if not isinstance(document, dict):
        raise ApiError(400, "bad_request", "The request body must be a JSON object.")
    return document


def page(request: Request, key: str, items: Sequence[JSON]) -> JSONResponse:
    """One page of a list; beyond the last it is empty."""
    number, size = _number(request, "page", 1), min(_number(request, "per_page", 20), MOST_PER_PAGE)
    last = max(1, math.ceil(len(items) / size))
    part = [public(item) for item in items[(number - 1) * size : number * size]]
    links = _links(request, number, last)
    return JSONResponse({key: part, "links": {"pages": links} if links else {}, "meta": {"total": len(items)}})


def _links(request: Request, number: int, last: int) -> dict[str, str]:
    """The neighbours of a page: first and previous unless it is the first, next and last unless it is the last.

    They repeat what was asked, and `per_page` only where it was.
    """
    wanted: dict[str, int] = {}
    if number > 1:
        wanted |= {"first": 1, "prev": min(number - 1, last)}
    if number < last:
        wanted |= {"next": number + 1, "last": last}
    others = {key: value for key, value in request.query_params.items() if key != "page"}
    base = str(request.url).split("?")[0]
    return {name: f"{base}?{urlencode({'page': to, **others})}" for name, to in wanted.items()}


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, str(default))
    if not text.isdigit() or int(text) < 1:
        raise ApiError(400, "bad_request", f"{name} must be a whole number from 1.")
    return int(text)
