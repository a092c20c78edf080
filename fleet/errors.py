"""What can go wrong, in two kinds; the adapter decides which, and nobody else.

    DeployerError
    ├── TransientError       try again later: the same call may succeed
    │   └── RateLimited      ... after `retry_after` seconds
    └── PermanentError       the same call will fail again: a person or another call must act
        ├── InvalidInput     something a person filled in; raised at the door, before anything has changed
        ├── Refused          a credential was not accepted
        ├── NotFound         the thing is not there
        └── HostsFailed      a fan-out, with every failed droplet by name

Every message says what happened, where (droplet, container, record), and what to do next.
"""

from __future__ import annotations

from collections.abc import Mapping


class DeployerError(Exception):
    """Base of all errors raised on purpose; `hint` is the sentence that says what to do next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(f"{message} {hint}".strip())
        self.message = message
        self.hint = hint


class TransientError(DeployerError):
    """The provider or the droplet did not answer as it will another time; a task retries it."""


class RateLimited(TransientError):
    """The provider asks for patience; wait `retry_after` seconds."""

    def __init__(self, message: str, *, retry_after: float, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class PermanentError(DeployerError):
    """Trying again will not help; the caller stops and says so."""


class InvalidInput(PermanentError):
    """Something a person filled in cannot work; nothing has been changed."""


class Refused(PermanentError):
    """A token or key was not accepted; put a good one into the block named in the message.

    `lacks_scope`: it is a good one, and may not do this.
    """

    def __init__(self, message: str, *, hint: str = "", lacks_scope: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.lacks_scope = lacks_scope


class NotFound(PermanentError):
    """The thing asked for does not exist."""


class HostsFailed(PermanentError):
    """A step failed on some droplets; `failures` maps each of them to its reason."""

    def __init__(
        self,
        what: str,
        failures: dict[str, str],
        total: int,
        logs: dict[str, str] | None = None,
        errors: Mapping[str, Exception] | None = None,
    ) -> None:
        lines = "".join(f"\n  {host}: {reason}" for host, reason in sorted(failures.items()))
        super().__init__(f"{what} failed on {len(failures)} of {total} droplets:{lines}")
        self.failures = failures
        self.logs = logs or {}
        """The last lines of the containers that are the reason, by droplet."""
        self.errors = dict(errors or {})
        """What each droplet failed by."""
