"""The part of a run's report that says why: a row for each place where a cause is known."""

from __future__ import annotations

from fleet.errors import HostsFailed
from fleet.remediation.causes import Cause
from tasks.agents import Unproven
from tasks.releases import HalfDone, LockLost
from tasks.reports import table
from tasks.verifying import Unserved


def known(error: BaseException | None) -> dict[str, Cause]:
    """The causes that an error holds, by the droplet that they were seen at."""
    if isinstance(error, HalfDone | LockLost):
        return known(error.__cause__)
    if isinstance(error, Unserved):
        return {error.where: error.cause}
    failures = error.errors if isinstance(error, HostsFailed) else {}
    return {host: one.cause for host, one in failures.items() if isinstance(one, Unproven) and one.cause}


def section(error: BaseException | None) -> list[str]:
    """The chapter in markdown; nothing where no cause is known."""
    rows = [(host, cause.word, "; ".join(cause.proof), cause.advice) for host, cause in sorted(known(error).items())]
    return ["## Cause", table(("droplet", "cause", "known by", "what to do"), rows)] if rows else []
