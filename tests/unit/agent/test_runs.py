"""The records of runs: appended, bounded, and readable whatever the last moment of their writer was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent import runs, wire
from agent.runs import Runs
from tests.unit.agent.builders import NAME, OTHER, release

AT = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)


def run(minute: int = 0, **changes: object) -> wire.JobRun:
    """A run that is going on."""
    time = AT + timedelta(minutes=minute)
    facts = {"scheduled_for": time, "release": release(1), "outcome": "running", "started_at": time, "container": "c1"}
    return wire.JobRun.model_validate({**facts, **changes})


def ended(minute: int = 0, code: int = 0) -> wire.JobRun:
    """The same run, once it has ended."""
    return run(minute, outcome="ended", exit_code=code, ended_at=AT + timedelta(minutes=minute, seconds=30))


@pytest.fixture
def kept(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def file(folder: Path) -> Path:
    return folder / "runs" / f"{NAME}.jsonl"


def test_of_a_service_without_runs_there_are_none(kept: Runs) -> None:
    assert kept.read(NAME) == ()
    assert kept.watched(NAME) is None
    assert kept.names() == frozenset()


def test_a_run_that_has_ended_takes_the_place_of_its_beginning_and_the_newest_is_first(kept: Runs) -> None:
    for one in (run(0), ended(0), run(5), ended(5, 3), run(10)):
        kept.append(NAME, one)
    assert kept.read(NAME) == (run(10), ended(5, 3), ended(0))
    assert kept.read(NAME, limit=1) == (run(10),)
    assert kept.read(OTHER) == ()
    assert kept.names() == {NAME}


def test_a_run_and_the_extra_one_that_overlaps_it_are_two(kept: Runs) -> None:
    for one in (run(0), run(0, container="c2"), ended(0)):
        kept.append(NAME, one)
    assert kept.read(NAME) == (run(0, container="c2"), ended(0))


@pytest.mark.parametrize("length", range(1, 60, 7))
def test_a_torn_last_line_is_passed_over_and_harms_no_later_one(kept: Runs, tmp_path: Path, length: int) -> None:
    kept.append(NAME, ended(0))
    kept.append(NAME, ended(5))
    content = file(tmp_path).read_bytes()
    first = content.index(b"\n") + 1
    file(tmp_path).write_bytes(content[: first + length])
    assert kept.read(NAME) == (ended(0),)
    kept.append(NAME, ended(10))
    assert kept.read(NAME) == (ended(10), ended(0))


def test_lines_that_are_no_runs_are_passed_over(kept: Runs, tmp_path: Path) -> None:
    kept.append(NAME, ended(0))
    with file(tmp_path).open("ab") as lines:
        lines.write(b'\xff\xfe\n{"outcome":"exploded"}\n[]\n\n')
    kept.append(NAME, ended(5))
    assert kept.read(NAME) == (ended(5), ended(0))


def test_the_file_is_bounded_and_keeps_the_latest(kept: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "KEPT", 5)
    monkeypatch.setattr(runs, "_LINES", 12)
    for minute in range(50):
        kept.append(NAME, run(minute))
        kept.append(NAME, ended(minute))
        assert len(file(tmp_path).read_bytes().splitlines()) <= 12
        assert kept.read(NAME, limit=5) == tuple(ended(one) for one in range(minute, max(minute - 5, -1), -1))
    assert [path.name for path in file(tmp_path).parent.iterdir()] == [file(tmp_path).name]


def test_the_container_that_is_watched_is_remembered_with_its_beginning(kept: Runs, tmp_path: Path) -> None:
    kept.watch(NAME, "c1", AT)
    kept.watch(NAME, "c2", AT + timedelta(hours=1))
    assert kept.watched(NAME) == ("c2", AT + timedelta(hours=1))
    (tmp_path / "runs" / f"{NAME}.json").write_text('{"container": "c')
    assert kept.watched(NAME) is None


def test_a_service_that_is_removed_leaves_no_file(kept: Runs, tmp_path: Path) -> None:
    kept.append(NAME, run())
    kept.watch(NAME, "c1", AT)
    assert [kept.remove(NAME) for _ in range(2)] == [True, False]
    assert list((tmp_path / "runs").iterdir()) == []


def test_only_root_may_read_them(kept: Runs, tmp_path: Path) -> None:
    kept.append(NAME, run())
    kept.watch(NAME, "c1", AT)
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "runs").rglob("*")} == {0}
