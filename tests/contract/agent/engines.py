"""The engines that the suite runs on: the fake, and Docker with a network and a label of the test's own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from agent import wire
from agent.docker_api import DockerApi
from agent.server.engine import DockerEngine
from agent.server.instances import NO_NAMES, Place
from agent.server.ports import BuildRequest, Engine, EngineError
from agent.server.secret_files import SecretFiles
from tests.fakes.engine import FakeEngine
from tests.fakes.stock import tar

BUSYBOX = Path("/usr/bin/busybox")
SOCKET = Path("/var/run/docker.sock")
SCRIPT = "echo it starts; echo on stderr >&2; exec /busybox httpd -f -p 8080 -h /"
DOCKERFILE = f"""FROM scratch
COPY busybox /busybox
CMD ["/busybox", "sh", "-c", "{SCRIPT}"]
"""


@dataclass
class Lab:
    """An engine, an image on it that serves port 8080, and the repository that a test's own images are tagged in."""

    engine: Engine
    image: wire.Image
    repository: str
    secrets: Path | None = None
    """Where the secrets of real containers are."""


def context(dockerfile: str, **files: bytes) -> list[bytes]:
    """A build context, in two chunks."""
    content = tar({"Dockerfile": dockerfile.encode(), **files})
    return [content[:700], content[700:]]


def built(engine: Engine, tag: str, dockerfile: str, **files: bytes) -> list[wire.BuildEvent]:
    """All events of a build."""
    stream = engine.build(context(dockerfile, **files), BuildRequest(tag=tag))
    with contextlib.closing(stream):
        return list(stream)


@contextlib.contextmanager
def fake() -> Iterator[Lab]:
    """The fake, with its image."""
    with FakeEngine() as engine:
        yield Lab(engine, engine.add_image(b"busybox", tag="agent-test:base"), "agent-test")


@contextlib.contextmanager
def docker(folder: Path, socket: Path = SOCKET, peers: Mapping[str, str] = NO_NAMES) -> Iterator[Lab]:
    """The real one; all that it made is gone afterwards, and what an interrupted run left is gone before."""
    mark, api = f"agent-test-{os.getpid()}", DockerApi(socket)
    place = Place("test", f"{mark}-net", f"172.29.{os.getpid() % 250}.0/24", mark)
    secrets = SecretFiles(folder / "run", folder / "state", "ab" * 32)
    engine = DockerEngine(api, place, secrets, lambda service: peers)
    try:
        base = built(engine, f"{mark}:base", DOCKERFILE, busybox=BUSYBOX.read_bytes())[-1].image
        assert base is not None
        yield Lab(engine, base, mark, folder / "run" / "secrets")
    finally:
        for one in engine.instances():
            engine.remove(one.full_name)
        with contextlib.suppress(EngineError):
            api.json("DELETE", f"/networks/{place.network}")
        for tag in [tag for image in engine.images() for tag in image.tags if tag.startswith((f"{mark}:", f"{mark}/"))]:
            api.json("DELETE", f"/images/{tag}")
