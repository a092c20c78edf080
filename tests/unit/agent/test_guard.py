"""The guard: a version that proves itself stays, and no other one does, whatever ends the guard and whenever."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from agent.guard import CONFIRM_SECONDS, Guard, Paths
from tasks.bake.wheelhouse import pack
from tests.fakes.guard import LINES, FakeDroplet, place

WHEEL = f"sha256:{'a' * 64}"
NEW = f"2.0-{'a' * 12}"
FILES = {"requirements.txt": b"", "agent.json": json.dumps({"wheel": WHEEL}).encode(), "wheels/pip-1.whl": b""}


def order(paths: Paths, files: dict[str, bytes] | None = None, **changes: Any) -> None:
    """What the agent leaves for the guard."""
    archive = pack(files or FILES)
    paths.folder.mkdir(exist_ok=True)
    (paths.folder / "bundle.tar").write_bytes(archive)
    bundle = f"sha256:{hashlib.sha256(archive).hexdigest()}"
    given = {"phase": "ordered", "version": "2.0", "wheel": WHEEL, "bundle": bundle, "whole": False, **changes}
    paths.state.write_text(json.dumps(given))


def state(paths: Paths) -> dict[str, Any]:
    """What the agent reads."""
    return dict(json.loads(paths.state.read_text()))


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = place(tmp_path)
    order(found)
    return found


@pytest.fixture
def droplet(paths: Paths) -> FakeDroplet:
    return FakeDroplet(paths)


def confirm(paths: Paths) -> None:
    """The controller's word."""
    (paths.folder / "confirmed").write_text(WHEEL)


def test_a_version_that_answers_and_is_confirmed_stays_alone(paths: Paths, droplet: FakeDroplet) -> None:
    confirm(paths)
    Guard(droplet, paths).upgrade()
    assert (state(paths)["phase"], droplet.used) == ("upgraded", NEW)
    assert [one.name for one in paths.versions.iterdir()] == [NEW]
    assert json.loads((paths.link / "agent.json").read_text())["wheel"] == WHEEL
    assert sorted(one.name for one in paths.folder.iterdir()) == ["state.json"]


@pytest.mark.parametrize("kind", ["ill", "mute"])
def test_a_version_that_does_not_come_up_is_taken_back_with_its_last_lines(
    paths: Paths, droplet: FakeDroplet, kind: str
) -> None:
    confirm(paths)
    getattr(droplet, kind).add(NEW)
    Guard(droplet, paths).upgrade()
    assert (state(paths)["phase"], state(paths)["log"], droplet.used) == ("returned", LINES, "baked")
    assert [one.name for one in paths.versions.iterdir()] == ["baked"]
    assert droplet.now() < 65


def test_a_version_that_crashes_again_and_again_is_not_given_the_whole_minute(
    paths: Paths, droplet: FakeDroplet
) -> None:
    droplet.ill.add(NEW)
    Guard(droplet, paths).upgrade()
    assert "it crashed 5 times" in state(paths)["reason"]
    assert droplet.now() < 10


def test_a_version_that_no_controller_confirms_is_taken_back(paths: Paths, droplet: FakeDroplet) -> None:
    Guard(droplet, paths).upgrade()
    assert (state(paths)["phase"], droplet.used) == ("returned", "baked")
    assert f"no controller confirmed it within {CONFIRM_SECONDS:.0f} s" in state(paths)["reason"]


@pytest.mark.parametrize("failing", ["cp", "install", "-c"])
def test_what_cannot_be_installed_is_never_switched_to(paths: Paths, droplet: FakeDroplet, failing: str) -> None:
    droplet.failing = failing
    Guard(droplet, paths).upgrade()
    assert (state(paths)["phase"], droplet.used) == ("failed", "baked")
    assert not [line for line in droplet.commands if "restart" in line]
    assert [one.name for one in paths.versions.iterdir()] == ["baked"]


@pytest.mark.parametrize("name", ["../agent.json", "wheels/../../x", "/etc/passwd", "wheels/a/b"])
def test_an_archive_that_would_write_elsewhere_is_refused(paths: Paths, droplet: FakeDroplet, name: str) -> None:
    order(paths, {**FILES, name: b"x"})
    Guard(droplet, paths).upgrade()
    assert "the archive holds" in state(paths)["reason"]


def test_an_archive_that_is_not_the_ordered_one_is_refused(paths: Paths, droplet: FakeDroplet) -> None:
    (paths.folder / "bundle.tar").write_bytes(b"another")
    Guard(droplet, paths).upgrade()
    assert state(paths)["phase"] == "failed"
    assert droplet.commands == []


@pytest.mark.parametrize("command", ["settle", "boot"])
@pytest.mark.parametrize("killed_at", ["cp", "install", "restart"])
def test_a_guard_that_is_killed_anywhere_leaves_the_old_version_when_it_is_settled(
    paths: Paths, droplet: FakeDroplet, killed_at: str, command: str
) -> None:
    droplet.killed_at = killed_at
    with pytest.raises(KeyboardInterrupt):
        Guard(droplet, paths).upgrade()
    droplet.killed_at = ""
    Guard(droplet, paths).settle(restart=command == "settle")
    assert droplet.used == "baked"
    assert state(paths)["phase"] in ("failed", "returned")
    assert [one.name for one in paths.versions.iterdir()] == ["baked"]


def test_settling_again_changes_nothing(paths: Paths, droplet: FakeDroplet) -> None:
    confirm(paths)
    Guard(droplet, paths).upgrade()
    before, droplet.commands = state(paths), []
    Guard(droplet, paths).settle()
    Guard(droplet, paths).upgrade()
    assert (state(paths), droplet.commands, droplet.used) == (before, [], NEW)


def test_a_droplet_that_was_never_upgraded_has_nothing_to_settle(tmp_path: Path) -> None:
    found = place(tmp_path)
    Guard(FakeDroplet(found), found).settle()
    assert not found.state.exists()


def test_after_a_bad_version_a_good_one_is_taken(paths: Paths, droplet: FakeDroplet) -> None:
    droplet.ill.add(NEW)
    Guard(droplet, paths).upgrade()
    droplet.ill.clear()
    order(paths, whole=True)
    confirm(paths)
    Guard(droplet, paths).upgrade()
    assert (state(paths)["phase"], droplet.used) == ("upgraded", NEW)
