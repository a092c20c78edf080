"""The flow `audit`: what the gateway wrote down, as a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fleet.errors import InvalidInput
from flows.audit import audit
from tasks.healing.settings import HealingSettings
from tests.flows.artifacts import latest

LINE: dict[str, Any] = {
    "at": "2026-11-24T02:15:30+00:00",
    "who": "otto",
    "role": "operator",
    "from": "203.0.113.9",
    "did": "POST",
    "what": "/api/flow_runs/8f6c1c6e-0b3a-4a57-9c9b-3f4f9f1d0e11/set_state",
    "told": "",
    "status": 201,
    "id": "1",
}

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("prefect")]


@pytest.fixture(autouse=True)
def notebooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was shown yet."""
    monkeypatch.setattr("tasks.notebooks.folder", lambda: tmp_path / "notebooks")


def write(*lines: dict[str, Any] | str) -> None:
    """The gateway adds lines."""
    path = HealingSettings().audit
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.writelines((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)


def versions() -> int:
    """How many tables were published."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    with get_client(sync_client=True) as client:
        return len(client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["audit"]))))


def test_changes_are_shown_newest_first_with_who_and_from_where() -> None:
    write({**LINE, "id": "a1"}, {**LINE, "who": "vera", "role": "viewer", "status": 403, "id": "a2"})
    audit()
    shown = latest("audit")
    assert shown.index("vera (viewer)") < shown.index("otto (operator)")
    assert "2026-11-24 02:15:30" in shown
    assert "203.0.113.9" in shown
    assert "403" in shown


def test_nothing_new_is_not_shown_again() -> None:
    write({**LINE, "id": "b1"})
    audit()
    before = versions()
    audit()
    assert versions() == before
    write({**LINE, "id": "b2"})
    audit()
    assert versions() == before + 1


def test_without_a_gateway_there_is_nothing_to_show() -> None:
    before = versions()
    audit()
    assert versions() == before


def test_a_line_that_is_half_written_is_left_for_the_next_run() -> None:
    write({**LINE, "who": "anna", "id": "c1"}, json.dumps(LINE)[:40])
    audit()
    assert "anna" in latest("audit")


def test_text_from_people_stays_in_its_cell() -> None:
    write({**LINE, "told": '{"name": "a | b\\n# c"}', "id": "d1"})
    audit()
    rows = [line for line in latest("audit").splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {8}


def test_too_many_are_refused() -> None:
    with pytest.raises(InvalidInput, match="Ask for 1 to 2000"):
        audit(last=0)
