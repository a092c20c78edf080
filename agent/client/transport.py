"""An HTTP client that speaks to one droplet only, and its failures and answers in our words."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from agent import keys, wire
from agent.client.errors import AgentProblem, AgentRefused, AgentUnreachable

CONNECT_SECONDS: Final = 5.0
CALL_SECONDS: Final = 30.0

NO_HEADERS: Final[Mapping[str, str]] = {}

M = TypeVar("M", bound=BaseModel)


def open_http(secret: str, droplet: str, address: str, port: int) -> httpx.Client:
    """An open client of a droplet, under this secret."""

    def name_it(request: httpx.Request) -> None:
        request.extensions = {**request.extensions, **sni(droplet)}

    return httpx.Client(**options(secret, droplet, address, port), event_hooks={"request": [name_it]})


def options(secret: str, droplet: str, address: str, port: int) -> dict[str, Any]:
    """What makes an httpx client one of this droplet: its address, its key, its certificate."""
    return {
        "base_url": f"https://{address}:{port}",
        "headers": {wire.KEY_HEADER: keys.api_key(secret)},
        "verify": _trust(secret, droplet),
        "timeout": timeout_of(CALL_SECONDS),
        "trust_env": False,
    }


def sni(droplet: str) -> dict[str, str]:
    """The droplet is reached by address, and its certificate names it."""
    return {"sni_hostname": droplet}


@lru_cache(maxsize=4096)
def _trust(secret: str, droplet: str) -> ssl.SSLContext:
    """TLS 1.3 with exactly one certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=keys.identity(secret, droplet).certificate.decode())
    return context


def timeout_of(seconds: float) -> httpx.Timeout:
    """A bound for each wait on the reply; connecting has its own."""
    return httpx.Timeout(seconds, connect=CONNECT_SECONDS)


def json_body(body: wire.Request | None, headers: Mapping[str, str] = NO_HEADERS) -> dict[str, Any]:
    """The part of a request that a body is; without defaults, so that an agent one version older knows all of it."""
    if body is None:
        return {"headers": headers}
    content = body.model_dump_json(exclude_defaults=True).encode()
    return {"content": content, "headers": {**headers, "Content-Type": "application/json"}}


@contextmanager
def translated() -> Iterator[None]:
    """The transport's failures as ours; a certificate that is not the droplet's is told apart."""
    try:
        yield
    except httpx.TransportError as error:
        if _is_certificate(error):
            raise AgentRefused("it shows another certificate than that of this droplet's secret") from error
        raise AgentUnreachable(str(error) or type(error).__name__) from error


def _is_certificate(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def checked(reply: httpx.Response) -> httpx.Response:
    """The reply, unless it is an error."""
    if not reply.is_error:
        return reply
    try:
        problem = wire.Problem.model_validate_json(reply.content)
    except ValidationError:
        message = f"The agent answered {reply.status_code} without its envelope."
        problem = wire.Problem(code="strange", message=message, hint="Is it the node agent that listens there?")
    if reply.status_code == httpx.codes.UNAUTHORIZED:
        raise AgentRefused(f"{problem.message} {problem.hint}")
    raise AgentProblem(problem)


def parsed(model: type[M], reply: httpx.Response) -> M:
    """The reply as the model that it should be; anything else is an `AgentProblem`."""
    try:
        return model.model_validate_json(reply.content)
    except ValidationError as error:
        found = f"{error.error_count()} fields are not as expected"
        problem = wire.Problem(
            code="strange",
            message=f"The agent's answer is no {model.__name__}: {found}.",
            hint="Is its version one that this controller knows?",
        )
        raise AgentProblem(problem) from error
