"""A visitor's question on this machine: an answer counts by its status, and there is one deadline for all of it."""

from __future__ import annotations

import pytest

from fleet.errors import TransientError
from tasks import visits
from tasks.verifying import _refusal
from tasks.visits import Answer
from tests.fakes.receiver import Receiver
from tests.fakes.trickle import BODY, Trickle


def test_a_visitor_is_answered_with_a_status_and_followed_nowhere() -> None:
    with Receiver() as server:
        server.statuses.extend([301, 503])
        server.location = "http://elsewhere.example/"
        assert [visits.get(server.url()) for _ in range(3)] == [Answer(301), Answer(503), Answer(200)]


def test_a_name_under_localhost_is_this_machine_and_keeps_its_name() -> None:
    with Receiver() as server:
        url = f"http://hello.demo.localhost:{server.server_port}/up"
        assert visits.get(url) == Answer(200)
        assert (server.calls[0][1], server.calls[0][2]["host"]) == ("/up", f"hello.demo.localhost:{server.server_port}")


def test_a_page_that_does_not_end_is_answered_by_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visits, "SECONDS", 1.0)
    with Trickle(BODY) as server:
        assert visits.get(server.url()) == Answer(200)


def test_an_answer_that_comes_byte_by_byte_is_none_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visits, "SECONDS", 0.3)
    with Trickle() as server, pytest.raises(TransientError) as caught:
        visits.get(server.url())
    assert str(caught.value) == (
        f"{server.url()} did not answer: it took more than 0.3 s. Is its DNS record visible already?"
    )
    assert _refusal(caught.value.__cause__) == "timeout"


def test_a_name_where_nobody_listens_says_so() -> None:
    with Receiver() as server:
        url = server.url()
    with pytest.raises(TransientError, match=r"^http://127\.0\.0\.1:\d+/hook did not answer: ") as caught:
        visits.get(url)
    assert _refusal(caught.value.__cause__) == "refused"
