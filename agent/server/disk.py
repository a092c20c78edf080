"""Look for texts in every file of a disk, whatever they are in."""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

MOST_FOUND: Final = 50
SMALL: Final = 1 << 16


def find(marks: Sequence[bytes], roots: Sequence[Path]) -> list[tuple[int, str]]:
    """Which marks, by their numbers, are in which files; at most MOST_FOUND.

    Each root is read as far as its own file system goes; the second may lie on one of its own.
    """
    if not marks:
        return []
    found: dict[tuple[int, str], None] = {}
    for path in _files(roots):
        for number in _in_file(path, marks):
            found[number, path.replace("//", "/")] = None
            if len(found) == MOST_FOUND:
                return list(found)
    return list(found)


def _files(roots: Sequence[Path]) -> Iterator[str]:
    read: set[int] = set()
    for root in (root for root in roots if root.is_dir()):
        device = root.stat().st_dev
        if device not in read:
            read.add(device)
            yield from _walk(str(root), device)


def _walk(top: str, device: int) -> Iterator[str]:
    """Only folders tell the device: files of an overlay have those of its layers."""
    for folder, folders, names in os.walk(top):
        folders[:] = [one for one in folders if _on(f"{folder}/{one}", device)]
        yield from (f"{folder}/{one}" for one in names)


def _on(path: str, device: int) -> bool:
    try:
        return os.lstat(path).st_dev == device
    except OSError:  # gone meanwhile
        return False


def _in_file(path: str, marks: Sequence[bytes]) -> list[int]:
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode) or not facts.st_size:
                return []
            if facts.st_size <= SMALL:
                content = file.read()
                return [number for number, mark in enumerate(marks) if mark in content]
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                return [number for number, mark in enumerate(marks) if mapped.find(mark) >= 0]
    except OSError:  # a link, a socket, gone meanwhile
        return []
