"""What flows remember from run to run on this worker's machine, in files of Prefect's home folder.

A notebook holds one value. It is replaced at once or not at all, belongs to its owner alone, and one that cannot be
read is begun anew: nothing that could do harm is remembered here. Workers on several machines have each their own.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

from prefect.settings import get_current_settings
from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")


def folder() -> Path:
    """Where they are."""
    return get_current_settings().home / "notebooks"


class Notebook(Generic[T]):
    """One value of a type that JSON can hold."""

    def __init__(self, name: str, kind: Any, empty: Callable[[], T]) -> None:
        self._name, self._adapter, self._empty = name, TypeAdapter[T](kind), empty

    def read(self) -> T:
        """The value."""
        try:
            return self._adapter.validate_json((folder() / f"{self._name}.json").read_bytes())
        except (FileNotFoundError, ValidationError):
            return self._empty()

    def update(self, change: Callable[[T], T]) -> T:
        """Makes it another value, which is on the disk when this returns; nobody else on this machine does meanwhile.

        A value that stays as it is is not written again.
        """
        with _locked(f"{self._name}.lock", fcntl.LOCK_EX):
            before = self.read()
            after = change(before)
            if after != before:
                self._write(self._adapter.dump_json(after))
            return after

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether nobody else on this machine is inside such a block; does not wait. The value is free meanwhile."""
        try:
            with _locked(f"{self._name}.turn", fcntl.LOCK_EX | fcntl.LOCK_NB):
                yield True
        except BlockingIOError:
            yield False

    def _write(self, content: bytes) -> None:
        draft = folder() / f".{self._name}.draft"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(folder() / f"{self._name}.json")


@contextmanager
def _locked(name: str, how: int) -> Iterator[None]:
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(folder() / name, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
        fcntl.flock(file, how)
        yield
