"""Telling people of changes from a run: each once, by every channel, and never to the run's harm."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from blocks.environment import Environment
from blocks.notifications import Notifications
from fleet.notices import Change
from tasks import heartbeats, notices
from tests.fakes.receiver import MailServer, Receiver
from tests.flows.fleet_of_fakes import Fleet

SINCE = datetime(2026, 11, 24, 2, 15, tzinfo=UTC)
ILL = Change("hello on demo-prod-1a2b3c", "healthy", "unhealthy", "nobody listens", SINCE, "See its log.")
WELL = Change("hello on demo-prod-1a2b3c", "unhealthy", "healthy", "answers again", SINCE)


@pytest.fixture(autouse=True)
def notebooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this worker keeps what it told."""
    monkeypatch.setattr("tasks.notebooks.folder", lambda: tmp_path / "notebooks")
    return tmp_path / "notebooks"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A webhook."""
    with Receiver() as opened:
        yield opened


def telling(fleet: Fleet, receiver: Receiver, **more: Any) -> Environment:
    """An environment that tells the receiver."""
    return fleet.environment(notifications=Notifications.model_validate({"webhook_url": receiver.url(), **more}))


def told(receiver: Receiver) -> list[str]:
    """What arrived, a word for each change."""
    return [f"{one['subject'].split()[0]} {one['is']}" for body in receiver.bodies for one in body["changes"]]


def test_a_change_is_told_once_and_its_end_once(fleet: Fleet, receiver: Receiver) -> None:
    environment = telling(fleet, receiver)
    for changes in ([ILL], [ILL], [], [WELL], [WELL], []):
        notices.tell(environment, changes)
    assert told(receiver) == ["hello unhealthy", "hello healthy"]
    assert len(receiver.calls) == 2


def test_changes_of_one_round_are_one_message(fleet: Fleet, receiver: Receiver) -> None:
    other = Change("shop on demo-prod-1a2b3c", "healthy", "degraded", "3 errors", SINCE)
    notices.tell(telling(fleet, receiver), [ILL, other])
    assert told(receiver) == ["hello unhealthy", "shop degraded"]
    assert receiver.bodies[0]["environment"] == "demo-prod"
    assert len(receiver.calls) == 1


def test_an_environment_without_notifications_tells_nobody_and_remembers_nothing(fleet: Fleet, notebooks: Path) -> None:
    notices.tell(fleet.environment(), [ILL])
    notices.tell(fleet.environment(notifications=Notifications()), [ILL])
    assert not notebooks.exists()


def test_a_channel_that_fails_is_tried_again_by_the_step(fleet: Fleet, receiver: Receiver) -> None:
    receiver.statuses.extend([503, 500])
    notices.tell(telling(fleet, receiver), [ILL])
    assert told(receiver) == ["hello unhealthy"]
    assert len(receiver.calls) == 3


def test_what_no_channel_took_waits_for_the_next_run(fleet: Fleet, receiver: Receiver) -> None:
    environment = telling(fleet, receiver)
    receiver.statuses.extend([404])
    notices.tell(environment, [ILL])
    assert receiver.bodies == []
    notices.tell(environment)
    notices.tell(environment)
    assert told(receiver) == ["hello unhealthy"]


def test_a_trouble_that_ended_before_anybody_could_be_told_is_not_told(fleet: Fleet, receiver: Receiver) -> None:
    environment = telling(fleet, receiver)
    receiver.statuses.extend([404])
    notices.tell(environment, [ILL])
    notices.tell(environment, [WELL])
    assert receiver.bodies == []


def test_one_channel_that_refuses_does_not_keep_the_message_from_another(fleet: Fleet, receiver: Receiver) -> None:
    receiver.statuses.extend([410])
    with MailServer() as server:
        mail = {"mail_to": ["ops@example.com"], "mail_from": "deployer@example.com", "smtp_host": "127.0.0.1"}
        environment = telling(fleet, receiver, **mail, smtp_port=server.port, smtp_security="none")
        notices.tell(environment, [ILL])
        notices.tell(environment, [ILL])
    assert len(server.mails) == 1
    assert "hello on demo-prod-1a2b3c is unhealthy" in server.mails[0]


def test_what_looks_like_a_secret_is_told_to_nobody(fleet: Fleet, receiver: Receiver) -> None:
    leaky = Change("hello", "", "unhealthy", "login failed: password=hunter2 for bob", SINCE)
    notices.tell(telling(fleet, receiver), [leaky])
    assert receiver.bodies[0]["changes"][0]["reason"] == "login failed: password=[redacted] for bob"


def test_while_another_run_tells_a_change_waits_and_is_not_told_twice(fleet: Fleet, receiver: Receiver) -> None:
    environment = telling(fleet, receiver)
    with notices.NOTEBOOK.alone():
        notices.tell(environment, [ILL])
    assert receiver.bodies == []
    notices.tell(environment)
    assert told(receiver) == ["hello unhealthy"]


def test_a_memory_that_cannot_be_read_or_written_fails_no_run(
    fleet: Fleet, receiver: Receiver, notebooks: Path
) -> None:
    notebooks.mkdir()
    (notebooks / "notices.json").write_text("not JSON")
    notices.tell(telling(fleet, receiver), [ILL])
    assert told(receiver) == ["hello unhealthy"]
    (notebooks / "notices.json").unlink()
    (notebooks / "notices.json").mkdir()
    notices.tell(telling(fleet, receiver), [ILL])
    assert len(receiver.calls) == 1


def test_two_environments_do_not_share_what_was_told(fleet: Fleet, receiver: Receiver) -> None:
    notices.tell(telling(fleet, receiver), [ILL])
    notices.tell(telling(fleet, receiver).model_copy(update={"name": "staging"}), [ILL])
    assert [body["environment"] for body in receiver.bodies] == ["demo-prod", "demo-staging"]


def test_a_heartbeat_asks_an_address_once_however_many_environments_have_it(fleet: Fleet, receiver: Receiver) -> None:
    url = receiver.url("/beat/s3cret")
    heartbeats.beat([fleet.environment(heartbeat_url=url), fleet.environment(), fleet.environment(heartbeat_url=url)])
    assert [call[:2] for call in receiver.calls] == [("GET", "/beat/s3cret")]


def test_a_heartbeat_that_fails_fails_no_run(fleet: Fleet, receiver: Receiver) -> None:
    receiver.statuses.extend([500] * 10)
    heartbeats.beat([fleet.environment(heartbeat_url=receiver.url())])
    assert len(receiver.calls) == 2, "once, and once again"


def test_what_flaps_is_told_four_times_and_the_fourth_says_so(fleet: Fleet, receiver: Receiver) -> None:
    environment = telling(fleet, receiver)
    for _ in range(10):
        notices.tell(environment, [ILL])
        notices.tell(environment, [WELL])
    assert told(receiver) == ["hello unhealthy", "hello healthy"] * 2
    hints = [body["changes"][0]["hint"] for body in receiver.bodies]
    assert [hint.count("It changes often") for hint in hints] == [0, 0, 0, 1]
