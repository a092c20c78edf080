"""Builds by BuildKit, which mounts secrets for the time of a step: through Docker's own command line.

BuildKit asks its client for each secret while it builds, over a session that only that program speaks. It gets an
argument list without a secret in it, the secrets as files on the tmpfs, and the context on its input. A base that is
on the droplet, such as `local/base:latest`, is taken as it is; no registry is asked (tried with Docker 20.10).
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Final, cast

from agent import contexts, wire
from agent.server.ports import BuildRequest, EngineDown, EngineError
from agent.server.secret_files import SecretFiles

PROGRAM: Final = "/usr/bin/docker"
SILENCE_SECONDS: Final = 600.0
"""How long a step may say nothing."""
END_SECONDS: Final = 10.0
"""How long a builder may take to end, once it was told to or has closed its output."""
LINE_BYTES: Final = 1 << 16
REASON_LINES: Final = 5
"""How many of the last lines an error repeats."""


class BuildKit:
    """Runs builds, each with a folder of its own that is gone afterwards."""

    def __init__(self, socket: Path, secrets: SecretFiles, find: Callable[[str], wire.Image]) -> None:
        self._socket, self._secrets, self._find = socket, secrets, find

    def build(self, context: Iterable[bytes], request: BuildRequest) -> BuildKitStream:
        """Start a build. Raises EngineError where Docker's command line is not installed."""
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="deployer-build-")))
            mounted = stack.enter_context(self._secrets.lent(request.secrets))
            command = _command(request, folder, mounted)
            try:
                process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                    env=_environment(self._socket, folder), cwd=folder,
                )  # fmt: skip
            except OSError as error:
                raise EngineError(f"{PROGRAM} cannot be started: {error}") from error
            rest = stack.pop_all()
        return BuildKitStream(process, context, request.secrets, rest, lambda: self._find(_made(folder)))


class BuildKitStream:
    """The events of one build; closing it ends the build, and takes its secrets away."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        context: Iterable[bytes],
        secrets: Mapping[str, str],
        rest: ExitStack,
        find: Callable[[], wire.Image],
    ) -> None:
        self._process, self._secrets, self._rest, self._find = process, secrets, rest, find
        self._last: deque[str] = deque(maxlen=REASON_LINES)
        self._refused: list[contexts.Unfit] = []
        self._lock = threading.Lock()
        self._feeder = threading.Thread(target=self._feed, args=(context,), daemon=True)
        self._feeder.start()
        self._events = self._told()

    def __iter__(self) -> BuildKitStream:
        """Itself."""
        return self

    def __next__(self) -> wire.BuildEvent:
        """The next line of output, or the end: an image or an error."""
        return next(self._events)

    def close(self) -> None:
        """End it, from any thread, any number of times."""
        self._process.kill()
        with self._lock:
            with suppress(subprocess.TimeoutExpired):  # the kernel holds it: its secrets go all the same
                self._process.wait(END_SECONDS)
            self._feeder.join(END_SECONDS)
            with suppress(ValueError):  # somebody is inside, and sees the end of the output now
                self._events.close()
                cast(IO[bytes], self._process.stdout).close()
            self._rest.close()

    def _feed(self, context: Iterable[bytes]) -> None:
        entry = cast(IO[bytes], self._process.stdin)
        with suppress(OSError):  # the build ended before it had read everything, and says why itself
            try:
                for chunk in context:
                    entry.write(chunk)
            except contexts.Unfit as error:
                self._refused.append(error)
                self._process.kill()
            finally:
                entry.close()

    def _told(self) -> Generator[wire.BuildEvent, None, None]:
        with cast(IO[bytes], self._process.stdout) as output:
            for line in _lines(output):
                shown = self._redacted(line.decode(errors="replace").rstrip())
                if shown:
                    self._last.append(shown)
                    yield wire.BuildEvent(line=shown)
        end = self._end(self._code())
        self.close()
        yield end

    def _code(self) -> int:
        """Its exit code; one that has said its last word and does not end is ended, and has failed."""
        try:
            return self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._last.append(f"its builder did not end within {END_SECONDS:g} s of its last word")
        return -signal.SIGKILL

    def _end(self, code: int) -> wire.BuildEvent:
        if code == 0:
            return wire.BuildEvent(image=self._find())
        return wire.BuildEvent(
            error=str(self._refused[0]) if self._refused else "\n".join(self._last) or "it was ended"
        )

    def _redacted(self, line: str) -> str:
        """Without the secrets, which a step that reads them may print."""
        for value in self._secrets.values():
            for part in filter(None, value.splitlines()):
                line = line.replace(part, "…")
        return line


def _command(request: BuildRequest, folder: Path, mounted: Path) -> list[str]:
    """What is run; visible to everybody on the droplet, so no secret is in it."""
    labels = [f"--label={name}={value}" for name, value in request.labels.items()]
    secrets = [f"--secret=id={name},src={mounted / name}" for name in request.secrets]
    fixed = [PROGRAM, "build", "--progress=plain", "--force-rm", f"--iidfile={folder / 'image'}"]
    return [*fixed, f"--tag={request.tag}", f"--file={request.dockerfile}", *labels, *secrets, "-"]


def _environment(socket: Path, folder: Path) -> dict[str, str]:
    """Nothing of the agent's own, and no person's settings."""
    paths = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(folder), "DOCKER_CONFIG": str(folder)}
    return {**paths, "DOCKER_BUILDKIT": "1", "DOCKER_HOST": f"unix://{socket}", "LC_ALL": "C.UTF-8"}


def _lines(output: IO[bytes]) -> Iterator[bytes]:
    """Its lines as they come, none longer than LINE_BYTES. Raises EngineDown after a silence that is too long."""
    rest = b""
    while True:
        if not select.select([output], [], [], SILENCE_SECONDS)[0]:
            raise EngineDown(f"its builder said nothing for {SILENCE_SECONDS:g} s")
        chunk = os.read(output.fileno(), LINE_BYTES)
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
        if not chunk or len(rest) > LINE_BYTES:
            yield rest
            rest = b""
        if not chunk:
            return


def _made(folder: Path) -> str:
    return (folder / "image").read_text().strip()
