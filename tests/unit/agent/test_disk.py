"""A mark is found wherever it is, and nothing else is."""

from __future__ import annotations

import os
from pathlib import Path

from agent.server import disk

MARK, OTHER = b"0123456789abcdef0123456789abcdef", b"another mark that is nowhere"


def test_a_mark_is_found_in_small_and_in_large_files_and_inside_of_words(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "small").write_bytes(b"key=" + MARK + b";")
    (tmp_path / "large").write_bytes(b"\0" * 200_000 + MARK + b"x" * 200_000)
    (tmp_path / "clean").write_bytes(MARK[:-1] + b"0")
    found = disk.find([OTHER, MARK], [tmp_path])
    assert sorted(found) == [(1, f"{tmp_path}/deep/er/small"), (1, f"{tmp_path}/large")]


def test_links_pipes_empty_files_and_folders_that_are_not_there_are_passed_by(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "pipe")
    assert disk.find([b"root:x:0:0:root:/root"], [tmp_path, tmp_path / "absent"]) == []


def test_a_disk_full_of_marks_is_not_listed_without_end(tmp_path: Path) -> None:
    for number in range(disk.MOST_FOUND + 10):
        (tmp_path / str(number)).write_bytes(MARK)
    assert len(disk.find([MARK], [tmp_path])) == disk.MOST_FOUND


def test_without_marks_nothing_is_read(tmp_path: Path) -> None:
    assert disk.find([], [tmp_path / "absent"]) == []
