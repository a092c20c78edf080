"""Sending a message by one channel, once and in bounded time. Errors never hold an address, which may be a secret."""

from __future__ import annotations

import http.client
import json
import smtplib
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import urlsplit

from agent import wire
from agent.deadlines import Deadline, connect, cut
from agent.notices.messages import Message, document, text, title

DELIVER_SECONDS: Final = 20.0
"""How long a conversation with a channel may take, all of it; mail servers greet late."""
_BUSY: Final = frozenset({408, 425, 429})


class NotDelivered(Exception):
    """A channel did not take a message; `passing` says whether it may another time."""

    def __init__(self, where: str, reason: str, *, passing: bool) -> None:
        super().__init__(f"{where} did not take what it was sent: {reason}")
        self.passing = passing


def place(channel: wire.Channel) -> str:
    """A channel for people: its kind and host, nothing secret."""
    host = channel.host if isinstance(channel, wire.MailChannel) else urlsplit(channel.url).hostname
    return f"{channel.kind} ({host})"


def deliver(channel: wire.Channel, message: Message, seconds: float = DELIVER_SECONDS) -> None:
    """Sends a message by a channel.

    Args:
        channel: where to.
        message: what.
        seconds: how long the whole conversation may take.

    Raises:
        NotDelivered: the channel did not take it, or did not answer.
    """
    try:
        match channel:
            case wire.MailChannel():
                _mail(channel, message, seconds)
            case wire.SlackChannel():
                _post(channel, {"text": _plain(text(message))}, {}, seconds)
            case wire.WebhookChannel():
                bearer = {"Authorization": f"Bearer {channel.token}"} if channel.token else {}
                _post(channel, document(message), bearer, seconds)
    except (OSError, http.client.HTTPException, ValueError) as error:
        passing = not isinstance(error, ssl.SSLCertVerificationError | ValueError)
        raise NotDelivered(place(channel), _reason(error), passing=passing) from None


def visit(url: str, seconds: float = DELIVER_SECONDS) -> None:
    """Asks an address once, for nothing but to have asked; `seconds` are for all of it.

    Raises:
        NotDelivered: it did not answer with success.
    """
    where = f"heartbeat ({urlsplit(url).hostname})"
    try:
        _check(where, _ask("GET", url, None, {}, seconds))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotDelivered(where, _reason(error), passing=True) from None


def _post(
    channel: wire.SlackChannel | wire.WebhookChannel, body: Mapping[str, Any], headers: dict[str, str], seconds: float
) -> None:
    given = {"Content-Type": "application/json", **headers}
    _check(place(channel), _ask("POST", channel.url, json.dumps(body).encode(), given, seconds))


def _ask(method: str, url: str, body: bytes | None, headers: dict[str, str], seconds: float) -> int:
    """The status of the answer, whose body nobody reads; follows nobody elsewhere."""
    parts, deadline = urlsplit(url), Deadline(seconds)
    host, path = parts.hostname or "", (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    tls = parts.scheme != "http"
    kind = http.client.HTTPSConnection if tls else http.client.HTTPConnection
    with closing(kind(host, parts.port)) as asking, _opened(host, asking.port, deadline, tls=tls) as asking.sock:
        asking.request(method, path, body, {"User-Agent": "deployer", "Connection": "close", **headers})
        return asking.getresponse().status


@contextmanager
def _opened(host: str, port: int, deadline: Deadline, *, tls: bool) -> Iterator[socket.socket]:
    """A connection that ends at the deadline, whatever the other end sends by then."""
    with closing(connect(host, port, deadline)) as plain, cut(plain, deadline):
        if tls:
            with ssl.create_default_context().wrap_socket(plain, server_hostname=host) as sealed:
                yield sealed
        else:
            yield plain


def _check(where: str, status: int) -> None:
    if not 200 <= status < 300:
        raise NotDelivered(where, f"it answered {status}", passing=status in _BUSY or status >= 500)


def _mail(channel: wire.MailChannel, message: Message, seconds: float) -> None:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = title(message), channel.sender, ", ".join(channel.recipients)
    mail["Date"] = format_datetime(message.at)
    mail.set_content(text(message))
    try:
        with _smtp(channel, Deadline(seconds)) as smtp:
            if channel.user:
                smtp.login(channel.user, channel.password)
            smtp.send_message(mail)
    except smtplib.SMTPResponseException as error:  # what a server says may repeat what it was told
        passing = 400 <= error.smtp_code < 500
        raise NotDelivered(place(channel), f"it answered {error.smtp_code}", passing=passing) from None
    except smtplib.SMTPRecipientsRefused:
        raise NotDelivered(place(channel), "it refused every recipient", passing=False) from None


@contextmanager
def _smtp(channel: wire.MailChannel, deadline: Deadline) -> Iterator[smtplib.SMTP]:
    with (
        _opened(channel.host, channel.port, deadline, tls=channel.security == "tls") as connection,
        _Smtp(channel.host, connection) as smtp,
    ):
        if channel.security == "starttls":
            smtp.starttls(context=ssl.create_default_context())
        yield smtp


class _Smtp(smtplib.SMTP):
    """A conversation over a connection that is open, and bounded, already."""

    def __init__(self, host: str, connection: socket.socket) -> None:
        self._given = connection
        super().__init__(host)

    def connect(self, host: str = "localhost", port: int = 0, source_address: Any = None) -> tuple[int, bytes]:
        """Hears the greeting; called when it is made."""
        self.sock, self.file = self._given, None
        return self.getreply()


def _plain(words: str) -> str:
    """Nothing in the text is a mention or a link of Slack's."""
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else "") or type(error).__name__
