"""What systemd is told: ready once the port listens, and signs of life only while the agent does its work."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp

from agent.server import serve
from tests.fakes.engine import FakeEngine
from tests.fakes.router import FakeRouter
from tests.unit.agent.builders import settings


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Where signs of life arrive, each millisecond at most."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "3000")
        yield listener


def heard(systemd: socket.socket) -> list[str]:
    """All that has arrived."""
    found: list[str] = []
    try:
        while True:
            found.append(systemd.recv(4096).decode())
    except BlockingIOError:
        return found


def test_an_agent_that_lives_and_does_not_do_its_work_gives_no_sign_of_life(
    tmp_path: Path, systemd: socket.socket
) -> None:
    looks, ends = [True, True, False, False, False], []

    def make(stop: Callable[[], None]) -> ASGIApp:
        ends.append(stop)
        return PlainTextResponse("never asked")

    def alive() -> bool:
        if looks:
            return looks.pop(0)
        ends[0]()
        return False

    with FakeEngine() as engine:
        asyncio.run(serve.serve(make, settings(tmp_path), engine, FakeRouter(), alive))
    assert heard(systemd) == ["READY=1", "WATCHDOG=1", "WATCHDOG=1", "STOPPING=1"]
