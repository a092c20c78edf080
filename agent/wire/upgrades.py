"""Another version of the agent: sent, tried, confirmed or taken back."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from agent.wire.base import Digest, Reply, Request

UpgradePhase = Literal["none", "ordered", "installing", "trial", "proven", "upgraded", "returned", "failed"]
"""`trial`: the new version runs and has yet to answer; `proven`: it answers, and waits to be confirmed; `returned`: the
old one runs again; `failed`: it was never switched to the new one."""


class UpgradeOrder(Request):
    """Which version the archive in the body holds."""

    version: Annotated[str, Field(pattern=r"^[0-9A-Za-z.+!-]{1,64}$")]
    wheel: Digest
    """Of the agent's own wheel: it is what tells two versions apart."""
    bundle: Digest
    """Of the archive."""
    whole: bool
    """The archive holds everything that the agent needs, not only what differs from the version that runs."""
    holder: Annotated[str, Field(pattern=r"^[^\x00-\x1f]{1,200}$")]
    """Who asks, as for a lease."""


class Confirm(Request):
    """The controller reaches the new version, and wants to keep it."""

    wheel: Digest


class Installed(Reply):
    """The version of the agent that runs."""

    version: str
    wheel: str = ""
    """Empty: nobody noted it when it was installed."""
    dependencies: str = ""
    """The digest of the lock that what it needs was installed by."""


class Upgrade(Reply):
    """What runs, and how far the last upgrade has come."""

    installed: Installed
    phase: UpgradePhase = "none"
    version: str = ""
    """The version that was ordered last."""
    wheel: str = ""
    reason: str = ""
    """Why it was taken back, or never switched to."""
    log: str = ""
    """The last lines of a version that was taken back."""
    holder: str = ""
    since: datetime | None = None
