"""What a health round ends with: people told of the changes of their own environment, and nothing that fails it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from blocks.notifications import Notifications
from tasks import rounds
from tasks.health import Change
from tasks.health.subjects import Subject
from tests.fakes.receiver import Receiver
from tests.flows.fleet_of_fakes import Fleet

AT = datetime(2026, 11, 24, 2, 15, tzinfo=UTC)
NAME = "9fe5e6_demo_prod_hello"


@pytest.fixture
def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A webhook, a worker that has told nobody anything, and a Prefect that knows no service."""
    monkeypatch.setattr("tasks.notebooks.folder", lambda: tmp_path / "notebooks")
    monkeypatch.setattr("tasks.soaks.list_services", lambda _: [])
    with Receiver() as opened:
        yield opened


def change(environment: str = "demo-prod") -> Change:
    """A container that does not serve any more."""
    seen = Subject("container", environment, "demo-prod-1a2b3c", NAME, "unhealthy", "nobody listens on 8080")
    return Change(seen, "healthy", AT, None)


def test_a_round_tells_the_changes_of_each_environment_to_its_own_channels_and_beats(
    fleet: Fleet, receiver: Receiver
) -> None:
    told = Notifications.model_validate({"webhook_url": receiver.url()})
    environment = fleet.environment(notifications=told, heartbeat_url=receiver.url("/beat"))
    rounds.finish([environment], [], [change(), change("demo-staging")])
    assert [one["subject"] for body in receiver.bodies for one in body["changes"]] == [f"{NAME} on demo-prod-1a2b3c"]
    assert (
        receiver.bodies[0]["changes"][0]["hint"] == "See the health table, and the service's log with the flow `logs`."
    )
    assert [call[:2] for call in receiver.calls] == [("POST", "/hook"), ("GET", "/beat")]


def test_a_round_of_an_environment_that_tells_nobody_does_nothing_more(fleet: Fleet, receiver: Receiver) -> None:
    before = len(fleet.cloud.faults.calls)
    rounds.finish([fleet.environment()], [], [change()])
    assert len(fleet.cloud.faults.calls) == before
    assert receiver.calls == []
