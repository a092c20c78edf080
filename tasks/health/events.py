"""A Prefect event for each change of a verdict, and none for what stays as it was: what automations go by."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from prefect.events import emit_event

from tasks.health.history import Change

NAME: Final = "deployer.verdict"
"""Followed by a dot and the new verdict; `deployer.verdict.*` is any change."""
MOST: Final = 200
"""Of one round; the rest is in the table."""


def announce(changes: Iterable[Change], emit: Callable[..., Any] = emit_event) -> None:
    """Emits what has changed, in its order; the same change told twice is one event, as it has the same id."""
    for one in list(changes)[:MOST]:
        emit(
            event=f"{NAME}.{one.subject.verdict}",
            resource=resource(one),
            occurred=one.at,
            payload={
                "was": one.was or "new",
                "is": one.subject.verdict,
                "reason": one.subject.reason,
                "since": one.since.isoformat() if one.since else "",
            },
            id=one.id,
        )


def resource(change: Change) -> dict[str, str]:
    """What an automation can match: the subject's key, and labels for its parts (those that it has)."""
    one = change.subject
    labels = {"environment": one.environment, "droplet": one.droplet, "kind": one.kind, "was": change.was or "new"}
    labels |= {one.kind: one.name} if one.name else {}
    return {
        "prefect.resource.id": one.key,
        "prefect.resource.name": one.title,
        **{f"deployer.{label}": value for label, value in labels.items() if value},
    }
