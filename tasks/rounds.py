"""What each health round ends with, once everybody has been asked and the table is shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from blocks.environment import Environment
from fleet import notices as news
from tasks import heartbeats, notices, soaks, vigils
from tasks.health import Change, Finding
from tasks.health.subjects import Kind

HINTS: Final[dict[Kind, str]] = {
    "droplet": "See the health table; the droplet's page at the provider shows whether it runs.",
    "container": "See the health table, and the service's log with the flow `logs`.",
    "name": "Ask for it with a browser; the health table shows the droplets behind it.",
}


def finish(environments: Sequence[Environment], findings: Sequence[Finding], changes: Sequence[Change]) -> None:
    """Tells people of changes, looks at what soaks, and gives signs of life; none of it fails the round."""
    for environment in environments:
        notices.tell(environment, told(environment.title(), changes))
    soaks.watch(environments, findings)
    vigils.hand_over(environments)
    heartbeats.beat(environments)


def told(environment: str, changes: Iterable[Change]) -> list[news.Change]:
    """The changes of one environment as people are told of them."""
    return [_told(one) for one in changes if one.subject.environment == environment]


def _told(one: Change) -> news.Change:
    seen = one.subject
    hint = "" if seen.verdict in news.GOOD else HINTS[seen.kind]
    return news.Change(seen.title, one.was or "", seen.verdict, seen.reason, one.at, hint)
