"""Which headers cross the edge, and what it adds, in both directions."""

from __future__ import annotations

from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from sandbox.edge.names import LOCAL

HOP_BY_HOP = {
    *("connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization"),
    *("te", "trailer", "transfer-encoding", "upgrade", "expect"),
}
_WEBSOCKET = "sec-websocket-"


def to_origin(request: web.BaseRequest, name: str, ray: str) -> CIMultiDict[str]:
    """The headers for the origin: the visitor's, the real name as Host, and Cloudflare's additions."""
    visitor = request.remote or "127.0.0.1"
    headers = _passing(request.headers)
    headers["Host"] = name
    earlier = request.headers.get("X-Forwarded-For")
    headers["X-Forwarded-For"] = f"{earlier}, {visitor}" if earlier else visitor
    headers["X-Forwarded-Proto"] = request.scheme
    headers["CF-Connecting-IP"] = visitor
    headers["CF-Ray"] = ray
    headers["CF-Visitor"] = f'{{"scheme":"{request.scheme}"}}'
    headers["CDN-Loop"] = "cloudflare"
    if _is_local(request) and "Origin" in headers:
        headers["Origin"] = f"{request.scheme}://{name}"
    return headers


def to_origin_websocket(request: web.BaseRequest, name: str, ray: str) -> CIMultiDict[str]:
    """The same without the fields of the websocket handshake, which each side makes anew."""
    headers = to_origin(request, name, ray)
    for key in [key for key in headers if key.lower().startswith(_WEBSOCKET)]:
        headers.popall(key, None)
    return headers


def to_visitor(request: web.BaseRequest, found: CIMultiDictProxy[str], name: str, ray: str) -> CIMultiDict[str]:
    """The headers for the visitor; a redirect to the real name stays on `.localhost` where the visitor came by it."""
    headers = _passing(found)
    headers["Server"] = "cloudflare"
    headers["CF-Ray"] = ray
    if (location := headers.get("Location")) and _is_local(request):
        headers["Location"] = _local_location(request, location, name)
    return headers


def _passing(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """All but the fields that belong to one connection, those named by `Connection` included."""
    named = {part.strip().lower() for value in headers.getall("Connection", ()) for part in value.split(",")}
    dropped = HOP_BY_HOP | named
    return CIMultiDict((key, value) for key, value in headers.items() if key.lower() not in dropped)


def _is_local(request: web.BaseRequest) -> bool:
    return (request.host.rsplit(":", 1)[0]).lower().rstrip(".").endswith(LOCAL)


def _local_location(request: web.BaseRequest, location: str, name: str) -> str:
    """The visitor's own address for a redirect to the site itself; a foreign one stays as it is."""
    try:
        url = URL(location, encoded=True)
    except ValueError:
        return location
    return str(URL(f"{request.scheme}://{request.host}").join(url.relative())) if url.host == name else location
