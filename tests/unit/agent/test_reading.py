"""Errors of logs, told to every observer once: over rotations, new containers, and clocks that are set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import wire
from agent.server import cursors as places
from agent.server import health, reading
from agent.server.cursors import Cursor, Cursors
from agent.server.ports import Instance, LogEntry
from agent.server.reading import Found, Reader
from tests.fakes.engine import FakeEngine
from tests.unit.agent.builders import KINDS, NAME, release, spec

NOW = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ROTATED = "the log was rotated: lines after "


@dataclass
class Scene:
    """A service whose container writes what a test has it write, at the time of a clock that a test sets."""

    engine: FakeEngine
    cursors: Cursors = field(default_factory=Cursors)

    def begins(self, number: int = 1, **changes: Any) -> Instance:
        """A release is current, and runs."""
        image = self.engine.add_image(b"layer")
        made = self.engine.create(NAME, spec(number, image.id, **{**KINDS["worker"], **changes}))
        self.engine.start(made.full_name)
        self.engine.rename(made, "current")
        return self.current

    @property
    def current(self) -> Instance:
        """The container."""
        return next(one for one in self.engine.instances(NAME) if one.role == "current")

    def reader(self, observer: str = "one", at: datetime | None = None) -> Reader:
        """An observer at a time."""
        return Reader(self.engine, self.cursors, observer, at or self.engine.clock())

    def look(self, observer: str = "one", at: datetime | None = None) -> Found:
        """What an observer is told."""
        reader = self.reader(observer, at)
        return reader.since_last(self.current) + reader.ends(self.current, self.engine.instances(NAME))


@pytest.fixture
def scene() -> Iterator[Scene]:
    with FakeEngine() as engine:
        engine.clock = lambda: NOW
        yield Scene(engine)


def test_every_observer_is_told_of_every_error_once(scene: Scene) -> None:
    scene.begins()
    told: dict[str, list[int]] = {"one": [], "two": []}
    for number in range(6):
        scene.engine.say(NAME, f"ERROR {number}")
        told["one"].append(scene.look("one").errors)
        if number % 3 == 2:
            told["two"].append(scene.look("two").errors)
    assert told == {"one": [1] * 6, "two": [3, 3]}


def test_what_was_written_between_two_checks_far_apart_is_told_though_the_first_found_nothing(scene: Scene) -> None:
    scene.begins()
    assert scene.look() == Found()
    scene.engine.clock = lambda: NOW + timedelta(minutes=5)
    scene.engine.say(NAME, "ERROR in between")
    assert scene.look(at=NOW + timedelta(hours=1)).sample == "ERROR in between"


def test_a_trace_that_is_cut_in_two_by_a_check_is_one_error(scene: Scene) -> None:
    scene.begins()
    scene.engine.say(NAME, "Traceback (most recent call last):")
    scene.engine.say(NAME, '  File "shop.py", line 1, in <module>')
    assert scene.look().errors == 1
    scene.engine.say(NAME, "    main()")
    scene.engine.say(NAME, "ValueError: no")
    assert scene.look() == Found()


def test_errors_that_a_service_ignores_are_counted_apart_with_their_traces(scene: Scene) -> None:
    scene.begins(log={"ignore": [r"client \d+ timed out", "^WARN"]})
    scene.engine.say(NAME, "ERROR client 77 timed out")
    scene.engine.say(NAME, "java.net.SocketTimeoutException: Read timed out")
    scene.engine.say(NAME, "  at java.net.Socket.read(Socket.java:1)")
    scene.engine.say(NAME, "ERROR the disk is full")
    assert scene.look() == Found(1, "ERROR the disk is full", ignored=1)


def test_a_log_that_was_rotated_leaves_a_gap_that_is_told_once(scene: Scene) -> None:
    scene.begins()
    scene.engine.say(NAME, "all is well")
    scene.look()
    scene.engine.rotate(NAME)
    scene.engine.say(NAME, "ERROR after the rotation")
    found = scene.look()
    assert (found.errors, found.notes[0].startswith(ROTATED)) == (1, True)
    assert scene.look() == Found()


def test_a_log_that_is_empty_after_a_rotation_is_told_once_too(scene: Scene) -> None:
    scene.begins()
    scene.look()
    scene.engine.rotate(NAME)
    assert [len(scene.look().notes) for _ in range(2)] == [1, 0]


def test_the_end_of_a_container_that_was_replaced_is_told_with_the_one_in_its_place(scene: Scene) -> None:
    old = scene.begins()
    scene.look("one")
    scene.look("two")
    scene.engine.say(NAME, "FATAL it cannot go on", "stderr")
    scene.engine.exit(NAME)
    scene.engine.rename(old, "previous")
    scene.begins(2)
    for observer in ("one", "two"):
        found = scene.look(observer)
        assert (found.errors, found.sample) == (1, "FATAL it cannot go on")
        assert found.notes == (f"of these errors, 1 are of the container before it, release {release(1)}",)
        assert scene.look(observer) == Found()
    assert scene.look("who never saw it") == Found()


def test_what_a_container_wrote_that_is_gone_is_a_gap(scene: Scene) -> None:
    scene.begins()
    scene.look()
    scene.engine.remove(NAME)
    scene.begins(2)
    assert [note[:32] for note in scene.look().notes] == ["the container before it is gone,"]
    assert scene.look() == Found()


def test_one_that_still_drains_is_told_of_once_it_has_ended(scene: Scene) -> None:
    old = scene.begins()
    scene.look()
    scene.engine.rename(old, "previous")
    scene.begins(2)
    scene.engine.say(f"{NAME}.previous", "ERROR a request failed")
    assert scene.look() == Found()
    scene.engine.exit(f"{NAME}.previous", 0)
    assert scene.look().errors == 1


def test_a_rollback_goes_on_where_the_container_was_read_last(scene: Scene) -> None:
    old = scene.begins()
    scene.engine.say(NAME, "ERROR told already")
    scene.look()
    scene.engine.exit(NAME)
    scene.engine.rename(old, "previous")
    new = scene.begins(2)
    scene.look()
    scene.engine.exit(NAME)
    scene.engine.rename(new, "kept")
    scene.engine.rename(replace(old, role="previous"), "current")
    scene.engine.start(NAME)
    assert scene.look() == Found()
    scene.engine.say(NAME, "ERROR a new one")
    assert scene.look().sample == "ERROR a new one"


@pytest.mark.parametrize("jump", [timedelta(hours=1), -timedelta(hours=1), timedelta(days=400), -timedelta(days=400)])
def test_a_clock_that_is_set_hides_no_error_and_tells_none_twice(scene: Scene, jump: timedelta) -> None:
    scene.begins()
    scene.engine.say(NAME, "ERROR before")
    assert scene.look().errors == 1
    scene.engine.jump(NOW + jump)
    scene.engine.say(NAME, "ERROR after")
    found = scene.look()
    assert (found.errors, found.sample) == (1, "ERROR after")
    assert scene.look() == Found()


@pytest.mark.parametrize("lines", [1, reading.SET_BACK_LINES, 3 * reading.SET_BACK_LINES])
def test_of_a_long_log_a_clock_that_is_set_back_tells_nothing_twice_however_often_anybody_looks(
    scene: Scene, lines: int
) -> None:
    scene.begins()
    for _ in range(lines):
        scene.engine.say(NAME, "ERROR before " + "x" * 500)
    assert sum(scene.look().errors for _ in range(5)) == lines
    scene.engine.jump(NOW - timedelta(hours=1))
    assert [scene.look() for _ in range(3)] == [Found()] * 3
    for number in range(3):
        scene.engine.say(NAME, f"ERROR after {number}")
        assert [scene.look().errors for _ in range(2)] == [1, 0]
    scene.engine.jump(NOW + timedelta(minutes=1))
    scene.engine.say(NAME, "ERROR in time again")
    assert [scene.look().errors for _ in range(2)] == [1, 0]


def test_the_end_of_a_container_that_was_replaced_is_read_in_parts_too(scene: Scene) -> None:
    old = scene.begins()
    scene.look()
    for number in range(6):
        scene.engine.say(NAME, f"ERROR {number} " + "x" * (reading.MOST_BYTES // 4))
    scene.engine.exit(NAME)
    scene.engine.rename(old, "previous")
    scene.begins(2)
    assert [scene.look().errors for _ in range(3)] == [4, 2, 0]


def test_a_flood_is_read_in_parts_and_says_so(scene: Scene) -> None:
    scene.begins()
    scene.look()
    for number in range(6):
        scene.engine.say(NAME, f"ERROR {number} " + "x" * (reading.MOST_BYTES // 4))
    first, second = scene.look(), scene.look()
    assert (first.errors, second.errors) == (4, 2)
    assert first.notes == ("more than 10000 lines or 1 MiB since the last check: not all were read",)
    assert second.notes == ()


def test_of_too_many_lines_the_last_are_read(scene: Scene) -> None:
    scene.begins()
    scene.look()
    for number in range(reading.MOST_LINES + 5):
        scene.engine.say(NAME, "ERROR early" if number < 5 else "well")
    found = scene.look()
    assert (found.errors, len(found.notes)) == (0, 1)


def test_a_log_that_cannot_be_read_leaves_a_note_and_what_it_had_is_told_later(scene: Scene) -> None:
    scene.begins()
    current = scene.current
    scene.engine.say(NAME, "ERROR no")
    scene.engine.down = True
    found = Reader(scene.engine, scene.cursors, "one", NOW).since_last(current)
    assert found == Found(notes=("the log could not be read: it is down",))
    scene.engine.down = False
    assert scene.look().errors == 1


def test_two_checks_of_one_observer_at_once_take_nothing_back(scene: Scene) -> None:
    before = Cursor(NAME, NOW)
    far, near = Cursor(NAME, NOW + 2 * SECOND), Cursor(NAME, NOW + SECOND)
    scene.cursors.put("one", "a", None, before)
    scene.cursors.put("one", "a", before, far)
    scene.cursors.put("one", "a", before, near)
    assert scene.cursors.get("one", "a") == far
    assert scene.cursors.get("two", "a") is None


def test_places_in_containers_that_are_gone_and_of_too_many_observers_are_forgotten() -> None:
    kept, other = Cursors(), "another service"
    kept.put("first", "a", None, Cursor(NAME, NOW))
    kept.put("first", "b", None, Cursor(NAME, NOW))
    kept.put("first", "owed", None, Cursor(NAME, NOW, owed=True))
    kept.put("first", "undeployed", None, Cursor(other, NOW, owed=True))
    kept.keep({"b"}, {NAME})
    assert [kept.get("first", one) is not None for one in ("a", "b", "owed", "undeployed")] == [
        False,
        True,
        True,
        False,
    ]
    for number in range(places.OBSERVERS):
        kept.put(f"observer-{number}", "b", None, Cursor(NAME, NOW))
    assert kept.get("first", "b") is None
    assert kept.get("observer-0", "b") is not None


def test_an_agent_that_begins_anew_tells_nothing_twice_and_forgets_nothing(scene: Scene, tmp_path: Path) -> None:
    scene.cursors = Cursors(tmp_path / "cursors.json")
    scene.begins()
    scene.engine.say(NAME, "ERROR before")
    assert scene.look().errors == 1
    for _ in range(2):
        scene.cursors.save()
    scene.engine.jump(NOW + timedelta(minutes=5))
    scene.engine.say(NAME, "ERROR while it was away")
    scene.cursors = Cursors(tmp_path / "cursors.json")
    found = scene.look(at=NOW + timedelta(hours=1))
    assert (found.errors, found.sample) == (1, "ERROR while it was away")


@pytest.mark.parametrize("content", ["", "{", '{"one": {"id": {}}}', "[]"])
def test_a_file_of_cursors_that_cannot_be_read_has_everybody_read_the_last_minutes(
    scene: Scene, tmp_path: Path, content: str
) -> None:
    (tmp_path / "cursors.json").write_text(content)
    scene.cursors = Cursors(tmp_path / "cursors.json")
    scene.begins()
    scene.engine.say(NAME, "ERROR no")
    assert scene.look().errors == 1


def test_a_disk_that_takes_no_cursors_keeps_nobody_from_being_told(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "full").write_text("a file where a folder should be")
    scene.cursors = Cursors(tmp_path / "full" / "cursors.json")
    scene.begins()
    scene.engine.say(NAME, "ERROR no")
    assert scene.look().errors == 1
    scene.cursors.save()
    assert scene.look() == Found()


def test_a_container_that_ended_shows_its_last_words(scene: Scene) -> None:
    scene.begins()
    scene.engine.say(NAME, "ERROR missing variable DATABASE_URL")
    scene.engine.exit(NAME)
    verdict = health.look(scene.reader(), scene.current)
    assert verdict.verdict == "unhealthy"
    assert verdict.evidence["log"] == "ERROR missing variable DATABASE_URL"


def test_a_healthy_container_with_fewer_errors_than_count_is_healthy_and_shows_them(scene: Scene) -> None:
    scene.engine.head_start = timedelta(minutes=1)
    scene.begins(log={"min_errors": 3})
    for _ in range(2):
        scene.engine.say(NAME, "ERROR once in a while")
    verdict = health.look(scene.reader(), scene.current)
    assert (verdict.verdict, verdict.evidence["errors"]) == ("healthy", "2")
    for _ in range(3):
        scene.engine.say(NAME, "ERROR all the time")
    assert health.look(scene.reader(), scene.current).verdict == "degraded"


LOGS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2)), max_size=40)


@given(LOGS, st.lists(st.integers(0, 40), max_size=6))
def test_however_a_log_is_cut_into_checks_every_line_is_read_exactly_once(
    lines: Sequence[tuple[str, int]], cuts: list[int]
) -> None:
    entries, at = list[LogEntry](), NOW
    for number, (text, pause) in enumerate(lines):
        at += pause * SECOND / 2 + timedelta(microseconds=1)
        entries.append(LogEntry(at, "stdout" if number % 2 else "stderr", text))
    cursor, read = Cursor(NAME, NOW), list[LogEntry]()
    for end in [*sorted(min(cut, len(entries)) for cut in cuts), len(entries)]:
        shown = [one for one in entries[:end] if one.at >= cursor.at - reading.OVERLAP]
        start, lost = cursor.unread(shown)
        assert not lost
        read += shown[start:]
        cursor = cursor.after(shown)
    assert read == entries


def test_log_text_alone_never_makes_a_verdict_that_anything_acts_on(scene: Scene) -> None:
    scene.engine.head_start = timedelta(minutes=1)
    scene.begins()
    before = scene.current
    for _ in range(10_000):
        scene.engine.say(NAME, "FATAL ERROR panic: kernel: restart, replace, delete me")
    verdict = health.look(scene.reader(), scene.current)
    assert verdict.verdict == "degraded"
    assert scene.current == before
    assert wire.Verdict.model_validate_json(verdict.model_dump_json()) == verdict
