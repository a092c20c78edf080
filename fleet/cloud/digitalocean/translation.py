"""What DigitalOcean's failures mean: try again, wait, put another token in, or mend a value."""

from __future__ import annotations

from typing import Any

from fleet.errors import DeployerError, InvalidInput, NotFound, PermanentError, RateLimited, Refused, TransientError

PENDING = "pending event"
"""One action at a time: a second one answers 422 with these words, and may succeed later."""
REVOKED = (
    "It was revoked, has expired, or was never one: put another in its place with "
    "`python -m deployments rotate-tokens digitalocean`."
)
PATIENCE_SECONDS = 5.0
"""How long to wait when a 429 does not say."""
LOST = (ConnectionError, TimeoutError)
"""Losses of a connection that the SDK lets through as they are."""


def translate(error: Exception, url: str) -> DeployerError:
    """Our error for an exception of the SDK."""
    status = getattr(error, "status_code", None)
    if status is None:
        return TransientError(
            f"DigitalOcean at {url} did not answer ({type(error).__name__}).",
            hint="Look whether this machine reaches that address and trusts its certificate.",
        )
    text = _message(error)
    if status == 429:
        headers = getattr(getattr(error, "response", None), "headers", None) or {}
        return RateLimited(f"DigitalOcean asks for patience: {text}", retry_after=_seconds(headers.get("retry-after")))
    if status == 401:
        return Refused(f"DigitalOcean refuses the token: {text}.", hint=REVOKED)
    if status == 403:
        hint = "Give it the scope, or put another in its place (see README, On your own account)."
        return Refused(f"The DigitalOcean token may not do this: {text}.", hint=hint, lacks_scope=True)
    if status >= 500 or status in (408, 409, 423) or PENDING in text:
        return TransientError(f"DigitalOcean answers {status}: {text}")
    if status == 404:
        return NotFound(f"DigitalOcean: {text}")
    if status in (400, 422):
        return InvalidInput(f"DigitalOcean does not accept this: {text}.", hint="Mend the value that it names.")
    return PermanentError(f"DigitalOcean answers {status}: {text}", hint="Its status page may say more.")


def strange(answer: Any) -> DeployerError:
    """Our error for an answer without what was asked for; the SDK gives a 404 as an ordinary dictionary."""
    if isinstance(answer, dict) and answer.get("id") == "not_found":
        return NotFound(f"DigitalOcean: {answer.get('message', 'not found')}")
    held = ", ".join(sorted(answer)) if isinstance(answer, dict) else type(answer).__name__
    return PermanentError(
        f"DigitalOcean gave an answer that cannot be understood (it holds: {held or 'nothing'}).",
        hint="Look whether the API address in the credentials block is right.",
    )


def _message(error: Exception) -> str:
    response = getattr(error, "response", None)
    try:
        text = str(response.json().get("message", "")) if response is not None else ""
    except (ValueError, AttributeError):
        text = ""
    return (text or str(error)[:200]).rstrip(". ")


def _seconds(value: str | None) -> float:
    try:
        return float(value) if value else PATIENCE_SECONDS
    except ValueError:
        return PATIENCE_SECONDS
