"""A Docker that takes calls and never answers them, unlike one that is away: what the agent says meanwhile."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from agent.client import AgentClient
from agent.client.transport import options
from agent.docker_api import DockerApi
from agent.server import engine
from agent.server.app import create_app
from agent.server.engine import DockerEngine
from agent.server.instances import Place
from agent.server.secret_files import SecretFiles
from tests.contract.agent.serving import NAMED, serving
from tests.fakes.router import FakeRouter
from tests.unit.agent.builders import DROPLET, NAME, settings


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AgentClient]:
    """The controller's, of a droplet where somebody listens at Docker's socket and says nothing."""
    monkeypatch.setattr(engine, "VERSION_SECONDS", 0.2)  # all other calls have their 30 s, as long as the client waits
    chosen, place = settings(tmp_path), tmp_path / "docker.sock"
    secrets = SecretFiles(chosen.run, chosen.state, chosen.secret)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen()
        app = create_app(chosen, DockerEngine(DockerApi(place), Place(DROPLET), secrets), FakeRouter())
        with (
            serving(app, chosen) as port,
            httpx.Client(**options(chosen.secret, DROPLET, "127.0.0.1", port), event_hooks=NAMED) as http,
        ):
            yield AgentClient(http)


def test_while_docker_hangs_the_agent_answers_what_it_can_and_knows_nothing_of_containers(client: AgentClient) -> None:
    node = client.node()
    assert (node.docker.verdict, node.docker.reason) == ("unhealthy", "Docker does not answer: GET /version: timed out")
    assert node.nginx.verdict == "healthy"
    assert (node.containers, node.keeps) == ((), None)
    assert client.health(NAME).verdict == "unknown"
