"""Where people are told when something changes."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, HttpUrl, SecretStr, ValidationError, model_validator

from agent import wire
from blocks.fields import OptionalToken, SecretUrl, logo

NOTHING = SecretStr("")


class Notifications(Block):
    """Channels by which an environment tells people of changes: Slack, mail, a webhook; those that are filled in.

    Example:
        ```python
        from blocks.notifications import Notifications

        notifications = Notifications.load("BLOCK_NAME")
        print(len(notifications.channels()))
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)  # it may be a secret

    _block_type_name: ClassVar[str | None] = "Notifications"
    _block_type_slug: ClassVar[str | None] = "notifications"
    _logo_url: ClassVar[Any] = logo()
    _documentation_url: ClassVar[Any] = HttpUrl("https://docs.prefect.io/v3/concepts/blocks")
    _description: ClassVar[str | None] = "Where people are told of changes: a Slack webhook, mail, a webhook of yours."

    slack_url: SecretUrl = Field(
        default=NOTHING,
        title="Slack webhook",
        description="The address of an incoming webhook of Slack, or of what takes the same (Mattermost, Rocket.Chat, "
        "Discord's /slack). Empty: none.",
        examples=["https://hooks.slack.com/services/…"],
    )
    webhook_url: SecretUrl = Field(
        default=NOTHING,
        title="Webhook",
        description="An address of yours that is sent JSON for each message. Empty: none.",
        examples=["https://ops.example.com/deployer"],
    )
    webhook_token: OptionalToken = Field(
        default=NOTHING,
        title="Webhook token",
        description="Sent to the webhook as the header Authorization: Bearer. Empty: nothing is.",
    )
    mail_to: list[str] = Field(
        default_factory=list,
        title="Mail to",
        description="Who gets mail, at most twenty. Empty: nobody.",
        examples=[["ops@example.com"]],
        max_length=20,
    )
    mail_from: str = Field(
        default="",
        title="Mail from",
        description="The sender's address; the server has to accept it.",
        examples=["deployer@example.com"],
    )
    smtp_host: str = Field(
        default="", title="Mail server", description="Where mail is handed in.", examples=["smtp.example.com"]
    )
    smtp_port: int = Field(
        default=587, title="Mail server's port", description="587 with STARTTLS, 465 with TLS.", ge=1, le=65535
    )
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        default="starttls",
        title="Mail server's security",
        description="STARTTLS, TLS from the first byte, or none, which only a server on the same machine should need.",
    )
    smtp_user: str = Field(default="", title="Mail user", description="Whom the server knows. Empty: no login.")
    smtp_password: OptionalToken = Field(
        default=NOTHING, title="Mail password", description="What that user logs in with."
    )

    @model_validator(mode="after")
    def _can_be_used(self) -> Self:
        """Whatever is filled in makes a channel; the message never holds a value."""
        try:
            self.channels()
        except ValidationError as error:
            wrong = sorted({f"{error.title.removesuffix('Channel')} {one['loc'][0]}" for one in error.errors()})
            raise ValueError(
                f"These cannot be used: {', '.join(wrong)}. An address of a webhook is like https://host/path, without "
                "user or password in it; mail needs a server, a sender and addresses like ops@example.com."
            ) from None
        return self

    def channels(self) -> tuple[wire.Channel, ...]:
        """Those that are filled in.

        Raises:
            pydantic.ValidationError: one cannot be used; not after the block has been made.
        """
        found: list[wire.Channel] = []
        if url := self.slack_url.get_secret_value():
            found.append(wire.SlackChannel(kind="slack", url=url))
        if url := self.webhook_url.get_secret_value():
            found.append(wire.WebhookChannel(kind="webhook", url=url, token=self.webhook_token.get_secret_value()))
        if self.mail_to:
            found.append(self._mail())
        return tuple(found)

    def _mail(self) -> wire.MailChannel:
        return wire.MailChannel(
            kind="mail",
            host=self.smtp_host,
            port=self.smtp_port,
            security=self.smtp_security,
            user=self.smtp_user,
            password=self.smtp_password.get_secret_value(),
            sender=self.mail_from,
            recipients=tuple(self.mail_to),
        )
