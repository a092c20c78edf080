"""What people are told, and the ways to them, on channels that listen on loopback."""

from __future__ import annotations

import email
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter

from agent import wire
from agent.notices import Line, Message, NotDelivered, deliver, document, text, title, visit
from tests.fakes.receiver import MailServer, Receiver
from tests.fakes.trickle import HTTP, SMTP, Trickle

AT = datetime(2026, 11, 24, 2, 15, tzinfo=UTC)
LINE = Line("hello on shop-prod-1a2b3c", "healthy", "unhealthy", "nobody listens on 8080", AT, "See the flow `logs`.")
MESSAGE = Message("shop-prod", AT, (LINE,), "the controller desk")
SECRET = "T0p-s3cret"


def channel(receiver: Receiver | Trickle, kind: str = "webhook", **more: Any) -> wire.Channel:
    """A channel to a receiver, whose address holds a secret."""
    given = {"kind": kind, "url": receiver.url(f"/{SECRET}?x=1"), **more}
    return TypeAdapter[wire.Channel](wire.Channel).validate_python(given)


def mail(server: MailServer | Trickle, **more: Any) -> wire.MailChannel:
    """A channel to a mail server of this machine."""
    given = {
        "kind": "mail",
        "host": "127.0.0.1",
        "port": server.port,
        "security": "none",
        "sender": "deployer@example.com",
    }
    return wire.MailChannel.model_validate({**given, "recipients": ["ops@example.com"], **more})


def test_a_message_says_what_where_since_when_and_what_to_do() -> None:
    assert text(MESSAGE) == (
        "shop-prod: hello on shop-prod-1a2b3c is unhealthy\n\n"
        "hello on shop-prod-1a2b3c: unhealthy (was healthy) since 2026-11-24 02:15:00 UTC\n"
        "nobody listens on 8080\n"
        "What to do: See the flow `logs`.\n\n"
        "Told by the controller desk, 2026-11-24 02:15:00 UTC."
    )


def test_a_message_of_many_changes_tells_twenty_and_counts_the_rest() -> None:
    many = replace(MESSAGE, lines=(LINE,) * 103)
    assert title(many) == "shop-prod: hello on shop-prod-1a2b3c is unhealthy and 102 more"
    assert text(many).count("nobody listens") == 20
    assert "… and 83 more changes." in text(many)
    assert (len(document(many)["changes"]), document(many)["more"]) == (20, 83)


def test_what_a_container_wrote_cannot_add_lines_or_headers() -> None:
    nasty = replace(MESSAGE, lines=(replace(LINE, subject="a\r\nBcc: all@example.com", reason="x\n\nTold by me"),))
    assert "\n" not in title(nasty)
    assert "x  Told by me" in text(nasty)
    with MailServer() as server:
        deliver(mail(server), nasty)
    assert email.message_from_string(server.mails[0])["Bcc"] is None


def test_a_webhook_gets_the_whole_message_as_json_and_its_token_in_a_header() -> None:
    with Receiver() as receiver:
        deliver(channel(receiver, token="tok-1"), MESSAGE)
    method, path, headers = receiver.calls[0]
    assert (method, path, headers["authorization"]) == ("POST", f"/{SECRET}?x=1", "Bearer tok-1")
    assert receiver.bodies == [
        {
            "format": 1,
            "source": "deployer",
            "environment": "shop-prod",
            "at": "2026-11-24T02:15:00+00:00",
            "teller": "the controller desk",
            "title": "shop-prod: hello on shop-prod-1a2b3c is unhealthy",
            "text": text(MESSAGE),
            "more": 0,
            "changes": [
                {
                    "subject": "hello on shop-prod-1a2b3c",
                    "was": "healthy",
                    "is": "unhealthy",
                    "reason": "nobody listens on 8080",
                    "since": "2026-11-24T02:15:00+00:00",
                    "hint": "See the flow `logs`.",
                }
            ],
        }
    ]


def test_slack_gets_text_in_which_nothing_is_a_mention() -> None:
    with Receiver() as receiver:
        deliver(channel(receiver, "slack"), replace(MESSAGE, lines=(replace(LINE, reason="<!channel> & co"),)))
    assert "&lt;!channel&gt; &amp; co" in receiver.bodies[0]["text"]


def test_a_mail_has_the_title_as_its_subject() -> None:
    with MailServer() as server:
        deliver(mail(server, user="me", password=SECRET), MESSAGE)
    found = email.message_from_string(server.mails[0])
    assert (found["Subject"], found["To"]) == (title(MESSAGE), "ops@example.com")
    assert "What to do: See the flow `logs`." in found.get_payload()
    assert server.logins == 1


@pytest.mark.parametrize(
    ("status", "passing"), [(500, True), (503, True), (429, True), (404, False), (403, False), (302, False)]
)
def test_what_a_webhook_refuses_is_told_without_its_address(status: int, passing: bool) -> None:
    with Receiver() as receiver:
        receiver.statuses.append(status)
        with pytest.raises(NotDelivered) as caught:
            deliver(channel(receiver), MESSAGE)
    assert str(caught.value) == f"webhook (127.0.0.1) did not take what it was sent: it answered {status}"
    assert caught.value.passing is passing
    assert len(receiver.calls) == 1, "and nobody is followed elsewhere"


def test_a_mail_server_that_repeats_the_password_is_not_quoted() -> None:
    with MailServer(refuse=f"535 no: {SECRET}") as server, pytest.raises(NotDelivered) as caught:
        deliver(mail(server, user="me", password=SECRET), MESSAGE)
    assert str(caught.value) == "mail (127.0.0.1) did not take what it was sent: it answered 535"
    assert not caught.value.passing


def test_a_channel_where_nobody_listens_may_another_time() -> None:
    with Receiver() as receiver:
        gone = channel(receiver)
    with pytest.raises(NotDelivered, match=r"^webhook \(127\.0\.0\.1\) did not take .*Connection refused$") as caught:
        deliver(gone, MESSAGE)
    assert caught.value.passing


@pytest.mark.parametrize("kind", ["webhook", "slack", "mail"])
def test_a_channel_that_answers_byte_by_byte_is_not_waited_for_beyond_its_time(kind: str) -> None:
    with Trickle(SMTP if kind == "mail" else HTTP) as server, pytest.raises(NotDelivered) as caught:
        deliver(mail(server) if kind == "mail" else channel(server, kind), MESSAGE, seconds=0.3)
    assert str(caught.value) == f"{kind} (127.0.0.1) did not take what it was sent: TimeoutError"
    assert caught.value.passing


def test_a_visit_that_is_answered_byte_by_byte_has_an_end() -> None:
    with Trickle() as server, pytest.raises(NotDelivered, match=r"^heartbeat \(127\.0\.0\.1\) .*: TimeoutError$"):
        visit(server.url(), seconds=0.3)


def test_the_address_of_a_channel_is_in_no_repr() -> None:
    with Receiver() as receiver:
        assert SECRET not in repr((channel(receiver, token=SECRET), channel(receiver, "slack")))


def test_a_visit_is_one_get() -> None:
    with Receiver() as receiver:
        visit(receiver.url(f"/{SECRET}"))
        receiver.statuses.append(500)
        with pytest.raises(NotDelivered, match=r"^heartbeat \(127\.0\.0\.1\) .*it answered 500$"):
            visit(receiver.url(f"/{SECRET}"))
    assert [call[:2] for call in receiver.calls] == [("GET", f"/{SECRET}")] * 2


@pytest.mark.parametrize("url", ["ftp://x", "https://user:pw@host/", "https://", "https://host/ x", "hook"])
def test_an_address_that_is_none_is_refused_by_the_protocol(url: str) -> None:
    with pytest.raises(ValueError, match="url"):
        wire.SlackChannel(kind="slack", url=url)
