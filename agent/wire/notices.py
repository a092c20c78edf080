"""Where people are told, and what a droplet needs to tell them itself when nobody looks after it any more."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import Field

from agent.wire.base import Reply, Request

HEALTH_ROUND: Final = "health-check"
"""The observer whose look at a droplet is a health round."""
CHANNEL_LIMIT: Final = 10
DROPLET_LIMIT: Final = 1000

Url = Annotated[str, Field(pattern=r"^https?://[^\s/?#@]+([/?][^\s#]*)?$", max_length=2048, repr=False)]
"""An address that may hold a secret, as those of webhooks do; no user and password in it."""
Mailbox = Annotated[str, Field(pattern=r"^[^\s@<>,;]+@[^\s@<>,;]+$", max_length=254)]


class SlackChannel(Request):
    """An incoming webhook of Slack, or of anything that takes the same (Mattermost, Rocket.Chat, Discord's /slack)."""

    kind: Literal["slack"]
    url: Url


class WebhookChannel(Request):
    """An address that is sent JSON; see docs/notifications.md."""

    kind: Literal["webhook"]
    url: Url
    token: Annotated[str, Field(pattern=r"^[\x21-\x7e]*$", max_length=4096, repr=False)] = ""
    """Sent as `Authorization: Bearer …`; empty: nothing is."""


class MailChannel(Request):
    """Mail by SMTP."""

    kind: Literal["mail"]
    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:-]+$", max_length=253)]
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: Annotated[str, Field(max_length=254)] = ""
    password: Annotated[str, Field(max_length=4096, repr=False)] = ""
    sender: Mailbox
    recipients: Annotated[tuple[Mailbox, ...], Field(min_length=1, max_length=20)]


Channel = Annotated[SlackChannel | WebhookChannel | MailChannel, Field(discriminator="kind")]


class Neighbour(Request):
    """Another droplet of the environment, and where it is reached inside the VPC."""

    droplet: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")]
    address: Annotated[str, Field(pattern=r"^[0-9a-f.:]{2,45}$")]


class Vigil(Request):
    """What a droplet keeps, so that it can say that no health round comes any more; without channels it says nothing.

    It replaces what the droplet had.
    """

    environment: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,80}$")]
    channels: Annotated[tuple[Channel, ...], Field(max_length=CHANNEL_LIMIT)] = ()
    before: Annotated[tuple[Neighbour, ...], Field(max_length=DROPLET_LIMIT)] = ()
    """The droplets that tell before this one does, first things first."""


class VigilState(Reply):
    """How it stands with the health rounds, as a droplet sees it; never where people are told."""

    channels: int
    last_round: datetime | None
    """By the droplet's clock; None: there was none yet."""
    absent: bool
    """Whether it has noticed that no round comes any more."""
    told: bool
    """Whether it was this droplet that said so."""
    owed: int
    """Messages that no channel has taken yet."""
