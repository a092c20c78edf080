"""Sandboxes that start at once do so one after the other."""

from __future__ import annotations

from pathlib import Path
from threading import Event, Thread

import pytest

from sandbox.errors import SandboxError
from sandbox.turns import turn

PATIENCE_SECONDS = 20.0


def test_the_second_waits_until_the_first_has_started(tmp_path: Path) -> None:
    order, waiting = list[str](), Event()

    def start_second() -> None:
        with turn(lambda _: waiting.set(), tmp_path):
            order.append("second")

    second = Thread(target=start_second)
    with turn(print, tmp_path):
        second.start()
        assert waiting.wait(PATIENCE_SECONDS)
        order.append("first")
    second.join(PATIENCE_SECONDS)
    assert order == ["first", "second"]


def test_one_that_waits_in_vain_says_so(tmp_path: Path) -> None:
    with turn(print, tmp_path), pytest.raises(SandboxError, match="Another sandbox is still starting"):  # noqa: SIM117
        with turn(print, tmp_path, deadline=0.0):
            pass
