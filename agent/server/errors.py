"""The one error envelope, and the way every failure becomes one.

Failure                    raised by our own code, with a code, a hint and evidence
EngineDown, EngineAbsent,
EngineError, RouterError   raised by the adapters: 503, 404, 502, 502
a full disk                507, by whatever it was noticed
HTTPException, validation  raised by the framework: 404, 405, 413, 422
anything else              500, its details in the journal only
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from agent import wire
from agent.server.ports import EngineAbsent, EngineDown, EngineError, RouterError

log = logging.getLogger("agent")

_WORDS = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "too_large", 422: "invalid"}
_HINTS = {
    404: "GET /openapi.json lists the routes.",
    405: "GET /openapi.json lists the methods of each route.",
    413: "Send less; the limits are in the documentation of the agent.",
}


class Failure(Exception):
    """A call that the agent refuses, or could not carry out; `code` is the word that programs read."""

    def __init__(self, status: int, code: str, message: str, hint: str, **details: str) -> None:
        super().__init__(message)
        self.status = status
        self.problem = wire.Problem(code=code, message=message, hint=hint, details=details)

    def because(self, symptoms: wire.Symptoms | None) -> Failure:
        """Itself, with what may tell why."""
        self.problem = self.problem.model_copy(update={"symptoms": symptoms})
        return self


class TooLarge(HTTPException):
    """A body passed its limit while it was read. The framework lets this one class through unharmed."""

    def __init__(self, limit: int) -> None:
        super().__init__(413, f"The body is larger than {limit} bytes.")


def reply(status: int, problem: wire.Problem, headers: Mapping[str, str] | None = None) -> Response:
    """The envelope as a response."""
    return Response(problem.model_dump_json(exclude_none=True), status, headers, "application/json")


def install(app: FastAPI) -> None:
    """Give the application a handler for everything that can go wrong in a route."""
    app.add_exception_handler(Failure, _answer)
    app.add_exception_handler(EngineError, _answer)
    app.add_exception_handler(RouterError, _answer)
    app.add_exception_handler(HTTPException, _answer)
    app.add_exception_handler(RequestValidationError, _answer)
    app.add_exception_handler(Exception, _answer)


async def _answer(request: Request, error: Exception) -> Response:
    status, problem = describe(error)
    headers = {"retry-after": "2"} if status == 503 else {}
    if isinstance(error, TooLarge):
        headers["connection"] = "close"  # the rest of the body is not worth reading
    return reply(status, problem, headers)


def describe(error: Exception) -> tuple[int, wire.Problem]:
    """The status and envelope of any exception; one that nobody foresaw is logged here, and only here, in full."""
    match error:
        case Failure():
            return error.status, error.problem
        case EngineDown():
            return 503, _problem("docker_down", f"Docker does not answer: {error}", "See `journalctl -u docker`.")
        case EngineAbsent():
            return 404, _problem("not_found", str(error), "GET /containers lists what is here.")
        case EngineError():
            return 502, _problem("docker", f"Docker refused: {error}", "See `journalctl -u docker`.")
        case RouterError():
            return 502, _problem("router", f"nginx: {error}", "See `journalctl -u nginx`; nothing was switched.")
        case RequestValidationError():
            return 422, _invalid(error)
        case HTTPException():
            word = _WORDS.get(error.status_code, "refused")
            return error.status_code, _problem(word, error.detail, _HINTS.get(error.status_code, "Mend the call."))
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            return 507, _problem("disk_full", f"The droplet's disk is full: {error.strerror}.", "Make room on it.")
        case _:
            log.error("a call failed unforeseen", exc_info=error)
            return 500, _problem("internal", "The agent failed.", "See `journalctl -u deployer-agent`.")


def _invalid(error: RequestValidationError) -> wire.Problem:
    """Where and why; never the value, which may be a secret."""
    found = {".".join(map(str, one["loc"])): str(one["msg"]) for one in error.errors()}
    summary = "; ".join(f"{where}: {why}" for where, why in list(found.items())[:5])
    return wire.Problem(
        code="invalid", message=f"The call is malformed: {summary}", hint="Mend the fields named.", details=found
    )


def _problem(code: str, message: str, hint: str) -> wire.Problem:
    return wire.Problem(code=code, message=message, hint=hint)
