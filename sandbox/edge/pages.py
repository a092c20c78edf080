"""The edge's own answers: pages for the failures that Cloudflare names with a number."""

from __future__ import annotations

from html import escape

from aiohttp import web

TITLES = {
    502: "Bad gateway",
    520: "Web server is returning an unknown error",
    521: "Web server is down",
    522: "Connection timed out",
    523: "Origin is unreachable",
    524: "A timeout occurred",
    525: "SSL handshake failed",
    526: "Invalid SSL certificate",
    1001: "DNS resolution error",
    1016: "Origin DNS error",
}
ELSEWHERE = (521, 522, 523)  # after these another origin is tried, once

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{code}: {title}</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;margin:15vh auto;max-width:36rem;padding:0 1rem}}</style></head>
<body><h1>Error {code}</h1><p><strong>{title}</strong></p><p>{detail}</p>
<p><small>Answered by the sandbox's edge. Ray ID: {ray}</small></p></body></html>
"""


class Failure(Exception):
    """A request that the edge answers itself: an HTTP status, Cloudflare's code, and what happened."""

    def __init__(self, status: int, code: int, detail: str) -> None:
        super().__init__(f"{code} {TITLES[code]}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail


def origin_failure(code: int, detail: str) -> Failure:
    """A failure on the way to an origin; its code is its status."""
    return Failure(code, code, detail)


def error_page(failure: Failure, ray: str) -> web.Response:
    """The page for a failure."""
    text = _PAGE.format(
        code=failure.code, title=escape(TITLES[failure.code]), detail=escape(failure.detail), ray=escape(ray)
    )
    headers = {"cf-ray": ray, "server": "cloudflare", "cache-control": "no-store"}
    return web.Response(text=text, status=failure.status, content_type="text/html", headers=headers)
