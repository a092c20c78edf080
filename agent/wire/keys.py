"""The droplet's own key, and how it is turned."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from agent.wire.base import Reply, Request


class Turn(Request):
    """Hands the droplet the secret that it is to have from now on."""

    secret: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", repr=False)]


class KeyState(Reply):
    """The key that a droplet answers to; nothing of the key itself."""

    since: datetime
    """When the droplet was given it."""
    turning: bool
    """Whether the API key before is good as well, until the present one is confirmed."""
