"""A builder that does not end: nobody waits for it without a bound, and its secrets go all the same."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from agent import wire
from agent.server import buildkit
from agent.server.buildkit import BuildKit, BuildKitStream
from agent.server.ports import BuildRequest
from agent.server.secret_files import SecretFiles
from tests.unit.agent.builders import settings

CANARY = "canary-8c11"


class Held(subprocess.Popen[bytes]):
    """A process that the kernel holds, for whoever waits for it with a bound; nobody may wait without one."""

    def wait(self, timeout: float | None = None) -> int:
        assert timeout is not None, "it would never come back"
        raise subprocess.TimeoutExpired(self.args, timeout)


def no_image(_id: str) -> wire.Image:
    raise AssertionError("a build that failed has no image")


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buildkit, "END_SECONDS", 0.2)


@pytest.fixture
def builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], BuildKitStream]:
    """Starts a build by a script in Docker's place."""
    chosen, program = settings(tmp_path), tmp_path / "docker"
    kit = BuildKit(tmp_path / "docker.sock", SecretFiles(chosen.run, chosen.state, chosen.secret), no_image)
    monkeypatch.setattr(buildkit, "PROGRAM", str(program))

    def start(script: str) -> BuildKitStream:
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return kit.build([b"a context"], BuildRequest("local/app:1", buildkit=True, secrets={"KEY": CANARY}))

    return start


def secrets(folder: Path) -> list[Path]:
    """The files under a folder that hold the secret."""
    return [path for path in folder.rglob("*") if path.is_file() and CANARY in path.read_text(errors="replace")]


def test_a_builder_that_has_said_its_last_word_and_does_not_end_is_ended(
    builder: Callable[[str], BuildKitStream], tmp_path: Path
) -> None:
    stream = builder("echo one; exec >&- 2>&-; exec sleep 5")
    assert secrets(tmp_path)
    assert [event.line or event.error for event in stream] == [
        "one",
        "one\nits builder did not end within 0.2 s of its last word",
    ]
    assert secrets(tmp_path) == []


def test_a_builder_that_the_kernel_holds_is_left_to_it_without_its_secrets() -> None:
    process = Held(["sleep", "60"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    gone: list[str] = []
    with ExitStack() as stack:
        stack.callback(gone.append, "the secrets")
        stream = BuildKitStream(process, [], {}, stack.pop_all(), lambda: no_image(""))
    stream.close()
    stream.close()
    assert gone == ["the secrets"]
    assert subprocess.Popen.wait(process, 10) == -9
