"""The one error envelope: what happened, and what to do next."""

from __future__ import annotations

from pydantic import Field

from agent.wire.base import Reply
from agent.wire.symptoms import Symptoms


class Problem(Reply):
    """Every answer of 400 and above."""

    code: str
    """A word for programs, e.g. `not_found`, `unauthorized`, `conflict`, `not_healthy`, `too_large`, `busy`."""
    message: str
    hint: str
    details: dict[str, str] = Field(default_factory=dict)
    """More evidence by name, e.g. `log`: the last lines of a candidate that was refused."""
    symptoms: Symptoms | None = None
    """Of a container that was refused because it does not serve, as it was before it was stopped."""
