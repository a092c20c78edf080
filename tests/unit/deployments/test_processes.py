from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from deployments.processes import Process, ProcessFailed

IDLE = [sys.executable, "-c", "import signal; signal.pause()"]


@pytest.fixture
def process(tmp_path: Path):  # type: ignore[no-untyped-def]  # a generator fixture
    process = Process("idle", tmp_path)
    yield process
    process.stop()


def test_starting_twice_starts_one_process(process: Process, tmp_path: Path) -> None:
    assert process.start(IDLE, dict(os.environ), tmp_path) is True
    assert process.start(IDLE, dict(os.environ), tmp_path) is False


def test_stopping_twice_is_no_error(process: Process, tmp_path: Path) -> None:
    process.start(IDLE, dict(os.environ), tmp_path)
    assert process.stop() is True
    assert process.stop() is False
    assert process.find() is None


def test_a_pid_that_belongs_to_another_process_now_is_not_ours(process: Process, tmp_path: Path) -> None:
    (tmp_path / "idle.pid").write_text(f"{os.getpid()} 1.0")
    assert process.find() is None
    assert process.stop() is False


def test_a_process_that_ends_shows_the_end_of_its_log(process: Process, tmp_path: Path) -> None:
    process.start([sys.executable, "-c", "print('the reason'); raise SystemExit(3)"], dict(os.environ), tmp_path)
    with pytest.raises(ProcessFailed, match="the reason"):
        process.wait_ready(lambda: False, timedelta(seconds=30))
