"""Secrets of containers: on the tmpfs while they run, sealed on the disk."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest

from agent.server.secret_files import SecretFiles, write_private
from tests.fakes.router import Killed
from tests.unit.agent.builders import NAME, OTHER, release

SECRETS = {"PASSWORD": "s3cret", "EMPTY": "", "CERTIFICATE": "line\nline\n", "NAME": "ключ"}
KEY, FOREIGN = "ab" * 32, "cd" * 32


def vault(folder: Path, key: str = KEY) -> SecretFiles:
    return SecretFiles(folder / "run", folder / "state", key)


def reboot(folder: Path) -> None:
    """A tmpfs is empty after it."""
    shutil.rmtree(folder / "run")


def plain(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (folder / "run").rglob("*") if path.is_file()}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_container_finds_each_secret_in_its_file(tmp_path: Path) -> None:
    folder = vault(tmp_path).write(NAME, release(1), SECRETS)
    assert folder is not None
    assert {path.name: path.read_text() for path in folder.iterdir()} == SECRETS


def test_without_secrets_there_is_nothing_to_bind(tmp_path: Path) -> None:
    assert vault(tmp_path).write(NAME, release(1), {}) is None
    assert list(tmp_path.iterdir()) == []


def test_any_user_inside_can_read_them_and_only_root_outside(tmp_path: Path) -> None:
    folder = vault(tmp_path).write(NAME, release(1), SECRETS)
    assert folder is not None
    assert (mode(folder / "PASSWORD"), mode(folder)) == (0o444, 0o755)
    assert {mode(folder.parent), mode(folder.parent.parent)} == {0o700}


def test_the_disk_holds_nothing_that_can_be_read(tmp_path: Path) -> None:
    vault(tmp_path).write(NAME, release(1), SECRETS)
    (sealed,) = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    content = sealed.read_bytes()
    assert all(value.encode() not in content for value in (*SECRETS, "s3cret"))
    assert mode(sealed) == 0o600


def test_after_a_reboot_they_are_restored(tmp_path: Path) -> None:
    vault(tmp_path).write(NAME, release(1), SECRETS)
    vault(tmp_path).write(OTHER, release(2), {"OTHER": "x"})
    reboot(tmp_path)
    assert vault(tmp_path).restore() == 2
    assert plain(tmp_path) == {**SECRETS, "OTHER": "x"}


def test_another_droplets_key_reads_nothing_and_what_it_cannot_read_is_gone(tmp_path: Path) -> None:
    vault(tmp_path).write(NAME, release(1), SECRETS)
    reboot(tmp_path)
    vault(tmp_path, FOREIGN).restore()
    assert not (tmp_path / "run").exists()
    assert vault(tmp_path).restore() == 0


def test_a_sealed_file_that_was_moved_to_another_container_does_not_open(tmp_path: Path) -> None:
    vault(tmp_path).write(NAME, release(1), SECRETS)
    reboot(tmp_path)
    sealed = tmp_path / "state" / "secrets"
    (sealed / NAME).rename(sealed / OTHER)
    vault(tmp_path).restore()
    assert not (tmp_path / "run").exists()


def test_a_removed_containers_secrets_are_gone_from_both_and_others_stay(tmp_path: Path) -> None:
    files = vault(tmp_path)
    files.write(NAME, release(1), SECRETS)
    files.write(NAME, release(2), {"NEW": "x"})
    files.remove(NAME, release(1))
    files.remove(NAME, release(1))
    assert plain(tmp_path) == {"NEW": "x"}
    reboot(tmp_path)
    assert vault(tmp_path).restore() == 1
    files.remove(NAME, release(2))
    assert [path for path in tmp_path.rglob("*") if NAME in path.name] == []


def test_two_writes_are_sealed_differently_and_the_later_one_counts(tmp_path: Path) -> None:
    contents = []
    for _ in range(2):
        vault(tmp_path).write(NAME, release(1), {"A": "same"})
        contents.append((tmp_path / "state" / "secrets" / NAME / release(1)).read_bytes())
    assert contents[0] != contents[1]


def test_a_write_that_fails_leaves_the_old_file_and_no_draft(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    with pytest.raises(OSError, match="directory"):
        write_private(target, b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("call", ["os.fdopen", "os.fchmod", "os.fsync", "pathlib.Path.replace"])
def test_a_write_that_is_cut_off_anywhere_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def die(*_: object) -> None:
        raise Killed(call)

    write_private(tmp_path / "file", b"old")
    with monkeypatch.context() as killed:
        killed.setattr(call, die)
        with pytest.raises(Killed):
            write_private(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
    write_private(tmp_path / "file", b"newer")
    assert (tmp_path / "file").read_bytes() == b"newer"
