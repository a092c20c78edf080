"""The table, the timeline and its picture, and the events: what people and automations get."""

from __future__ import annotations

import re
from base64 import b64decode
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tasks.health import events, files, plot, table, timeline
from tasks.health.history import Change, History
from tasks.health.subjects import subjects
from tests.unit.tasks.health.scenes import DROPLET, HOST, MINUTE, NAME, NOW, RELEASE, WHERE, edge, finding, subject

SVG = "{http://www.w3.org/2000/svg}"


def past(number: int = 1) -> History:
    """So many containers, the first of which was bad for ten minutes, an hour ago."""
    seen = History()
    for minute in range(-120, 1):
        bad = -60 <= minute < -50
        one = [subject("unhealthy" if bad and not n else "healthy", f"{NAME}-{n}") for n in range(number)]
        seen, _ = seen.follow(one, NOW + MINUTE * minute)
    return seen


def test_a_row_says_verdict_reason_since_restarts_release_age_version_and_latency() -> None:
    service = finding(
        container=NAME, release=RELEASE, agent=None, edge=(edge(),), restarts=2, since=NOW - timedelta(hours=5)
    )
    seen = subjects([finding(since=NOW - timedelta(days=3)), service])
    history, _ = History().follow(seen, NOW - timedelta(minutes=12))
    droplet, container, name = table.rows(seen, history, NOW)
    assert container == {
        "verdict": "🟢 healthy",
        "droplet": DROPLET,
        "container": NAME,
        "reason": "all is well",
        "since": "24 Nov 11:48 UTC (12 min)",
        "restarts": "2",
        "release": RELEASE,
        "age": "5 h",
        "agent": "",
        "answered": "",
        "environment": WHERE,
    }
    assert (droplet["container"], droplet["age"], droplet["answered"]) == ("(the droplet)", "3 d", "12 ms")
    assert droplet["agent"] == "0.1.0"
    assert (name["droplet"], name["container"], name["answered"]) == ("(through the edge)", HOST, "34 ms")
    assert table.summary(seen) == "# Fleet health: 3 healthy"


def test_an_empty_fleet_says_so() -> None:
    assert table.summary([]) == "# Fleet health: no droplet yet"
    assert "None: everything stayed as it was." in timeline.page(History(), NOW)


@pytest.mark.parametrize(
    ("seconds", "told"), [(-3, "0 s"), (59, "59 s"), (60, "1 min"), (7199, "1 h"), (86400 * 40, "40 d")]
)
def test_a_length_of_time_is_told_in_its_largest_unit(seconds: int, told: str) -> None:
    assert table.span(timedelta(seconds=seconds)) == told


def picture(page: str) -> ElementTree.Element:
    """The picture in the page."""
    found = re.search(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)\)", page)
    assert found
    return ElementTree.fromstring(b64decode(found[1]))  # noqa: S314  # it is our own


def test_the_timeline_is_a_picture_with_a_row_for_each_and_the_changes_in_words() -> None:
    page = timeline.page(past(3), NOW)
    drawn = picture(page)
    texts = [one.text or "" for one in drawn.iter(f"{SVG}text")]
    assert next(text for text in texts if text.startswith("9fe5e6")).startswith("9fe5e6_demo_prod_hello-0 on")
    assert texts[4:10] == ["07:00", "08:00", "09:00", "10:00", "11:00", "12:00"]
    bars = [one for one in drawn.iter(f"{SVG}rect") if one.get("fill") == plot.COLOUR["unhealthy"]]
    assert [float(one.get("width", 0)) for one in bars[1:]] == [20.8], "ten minutes of six hours"
    assert "| 24 Nov 11:00:00 | demo-prod |" in page
    assert "🟢 healthy → 🔴 unhealthy | it is unhealthy | 9 min |" in page
    assert "🔴 unhealthy → 🟢 healthy | it is healthy | 50 min so far |" in page


def test_a_large_fleet_shows_those_with_trouble_first_and_says_how_many_are_left_out() -> None:
    page = timeline.page(past(timeline.MOST_ROWS + 7), NOW)
    assert "7 more are not in the picture, 0 of them with some trouble." in page
    assert len(page) < 100_000


def test_names_from_outside_break_neither_the_picture_nor_the_table() -> None:
    bad = subject("unhealthy", name="<script>|&", reason="a | pipe\nand a line")
    history, _ = History().follow([bad], NOW)
    page = timeline.page(history, NOW)
    assert "a \\| pipe and a line" in page
    assert any("<script>|&" in (one.text or "") for one in picture(page).iter(f"{SVG}text"))


def emitted(*changes: Change) -> list[dict[str, object]]:
    """What would be emitted for these changes."""
    told: list[dict[str, object]] = []
    events.announce(changes, lambda **event: told.append(event))
    return told


def test_an_event_names_the_new_verdict_and_says_of_what_and_what_was() -> None:
    (event,) = emitted(Change(subject("unhealthy"), "healthy", NOW, NOW - MINUTE))
    assert event["event"] == "deployer.verdict.unhealthy"
    assert event["resource"] == {
        "prefect.resource.id": f"deployer.container.{WHERE}.{DROPLET}.{NAME}",
        "prefect.resource.name": f"{NAME} on {DROPLET}",
        "deployer.environment": WHERE,
        "deployer.droplet": DROPLET,
        "deployer.kind": "container",
        "deployer.was": "healthy",
        "deployer.container": NAME,
    }
    assert event["payload"] == {
        "was": "healthy",
        "is": "unhealthy",
        "reason": "it is unhealthy",
        "since": "2026-11-24T11:59:00+00:00",
    }


def test_one_round_emits_a_bounded_number_of_events() -> None:
    one = Change(subject("unhealthy"), "healthy", NOW, NOW)
    assert len(emitted(*[one] * (events.MOST + 1))) == events.MOST


def test_a_history_comes_back_from_the_disk_as_it_was_and_one_that_is_torn_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "folder", lambda: tmp_path / "health")
    known = past(2)
    with files.locked():
        assert files.read() == History()
        files.write(known)
        files.write(known)
        assert files.read() == known
        assert {one.name for one in files.folder().iterdir()} == {"lock", "history.json"}
        path = files.folder() / "history.json"
        assert path.stat().st_mode & 0o077 == 0
        path.write_text(path.read_text()[:100])
        assert files.read() == History()
