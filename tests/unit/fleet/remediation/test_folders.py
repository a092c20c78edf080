"""What is kept on the controller's disk, and what becomes of it when it cannot be read."""

from __future__ import annotations

import stat
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from fleet.errors import InvalidInput, PermanentError
from fleet.remediation import pauses
from fleet.remediation.folders import Folder
from fleet.remediation.rounds import Memory
from fleet.remediation.state import Pause
from tests.unit.fleet.remediation.scenes import OFF, START, Scene


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A folder that is not there yet."""
    return Folder(tmp_path / "state" / "healing")


def test_at_first_nothing_is_remembered_and_nothing_paused(folder: Folder) -> None:
    assert folder.read_memory() == Memory()
    assert folder.read_pauses() == ()


def test_what_is_remembered_is_read_back(folder: Folder) -> None:
    scene = Scene()
    scene.acts(10, {1: OFF}, {3: "unhealthy"})
    for _ in range(2):
        folder.write_memory(scene.memory)
        assert folder.read_memory() == scene.memory
    (path,) = folder.path.iterdir()
    assert (path.name, stat.S_IMODE(path.stat().st_mode)) == ("memory.json", 0o600)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"memory": {}, "format": 2}', '{"memory": {"cases": 3}}'])
def test_a_memory_that_cannot_be_read_stops_everything(folder: Folder, text: str) -> None:
    folder.write_memory(Memory())
    (folder.path / "memory.json").write_text(text)
    with pytest.raises(PermanentError, match="nothing is done by itself"):
        folder.read_memory()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pauses": [], "format": 2}', '{"pauses": [{"scope": "all"}]}'])
def test_pauses_that_cannot_be_read_pause_everything(folder: Folder, text: str) -> None:
    folder.write_pauses(())
    (folder.path / "pauses.json").write_text(text)
    (found,) = folder.read_pauses()
    assert found.scope == "everything"
    assert "cannot be read" in str(found)


def test_a_pause_is_written_and_ended(folder: Folder) -> None:
    first = Pause("everything", by="ann", since=START.utc)
    second = Pause("service", "hello", until=START.later(3600).utc)
    folder.write_pauses(pauses.pause(pauses.pause((), first), second))
    assert folder.read_pauses() == (first, second)
    folder.write_pauses(pauses.resume(folder.read_pauses(), Pause("everything")))
    assert folder.read_pauses() == (second,)


def test_pausing_twice_is_one_pause_with_the_later_words() -> None:
    first, second = Pause("droplet", "demo-1", why="one"), Pause("droplet", "demo-1", why="two")
    assert pauses.pause(pauses.pause((), first), second) == (second,)


def test_resuming_what_is_not_paused_changes_nothing() -> None:
    kept = (Pause("service", "hello"),)
    assert pauses.resume(kept, Pause("service", "hell")) == kept
    assert pauses.resume(kept, Pause("droplet", "hello")) == kept


def test_a_pause_is_over_at_its_time() -> None:
    kept = (Pause("everything", until=START.utc), Pause("service", "hello"))
    assert pauses.in_force(kept, START.utc - timedelta(seconds=1)) == kept
    assert pauses.in_force(kept, START.utc) == kept[1:]


@pytest.mark.parametrize(
    "pause",
    [
        Pause("service"),
        Pause("droplet"),
        Pause("everything", "hello"),
        Pause("everything", since=START.utc, until=START.utc),
    ],
)
def test_a_pause_that_cannot_be_is_refused(pause: Pause) -> None:
    with pytest.raises(InvalidInput):
        pauses.pause((), pause)


def test_a_pause_says_what_it_is() -> None:
    until = START.later(90 * 60).utc
    told = str(Pause("service", "hello", "ann", "I look at it", START.utc, until))
    assert told == "the service hello is paused until 2026-11-24 01:30 UTC by ann: I look at it"
    assert str(Pause("everything")) == "everything is paused"


def test_two_that_use_the_folder_at_once_lose_nothing_of_each_other(folder: Folder) -> None:
    def add(name: str) -> None:
        for number in range(20):
            with folder.locked():
                folder.write_pauses(pauses.pause(folder.read_pauses(), Pause("service", f"{name}{number}")))

    threads = [threading.Thread(target=add, args=(name,)) for name in "abc"]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert len(folder.read_pauses()) == 60
