"""The watchdog on the fake and on Docker, and what the agent tells of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent import wire
from agent.client import AgentClient
from agent.docker_api import DockerApi
from agent.server import health
from agent.server.leases import Leases
from agent.server.ports import Instance
from agent.server.watchdog import Watchdog
from tests.contract.agent.engines import SOCKET, Lab
from tests.contract.agent.serving import droplet
from tests.contract.sandbox.cloudflare.serving import until
from tests.fakes.engine import FakeEngine
from tests.unit.agent.builders import NAME, spec


def current(lab: Lab) -> Instance:
    return next(one for one in lab.engine.instances(NAME) if one.role == "current")


def serves(lab: Lab) -> bool:
    found = current(lab)
    return found.running and health.probe(found)[0]


def run(lab: Lab) -> None:
    made = lab.engine.create(NAME, spec(1, lab.image.id))
    lab.engine.start(made.full_name)
    lab.engine.rename(made, "current")
    until(lambda: serves(lab), "it serves")


def kill(lab: Lab) -> None:
    """From outside, as nobody announced it."""
    if isinstance(lab.engine, FakeEngine):
        lab.engine.exit(NAME, 137)
    else:
        DockerApi(SOCKET).json("POST", f"/containers/{NAME}/kill")
        until(lambda: not current(lab).running, "it is gone")


@contextmanager
def watched(lab: Lab, folder: Path) -> Iterator[Watchdog]:
    """A watchdog that looks all the time."""
    dog = Watchdog(folder / "watchdog.json", lab.engine, Leases(folder / "leases.json"))
    thread = threading.Thread(target=dog.run, args=(0.05,))
    thread.start()
    try:
        yield dog
    finally:
        dog.end()
        thread.join(30)


def test_a_container_that_was_killed_serves_again_without_any_controller(lab: Lab, tmp_path: Path) -> None:
    run(lab)
    before = current(lab)
    kill(lab)
    with watched(lab, tmp_path) as dog:
        until(lambda: serves(lab), "it serves again")
        until(lambda: dog.told(current(lab)) is not None, "it was looked at")
        told = dog.told(current(lab))
    assert told is not None
    assert (told.restarts, told.held) == (1, False)
    assert (current(lab).id, current(lab).address) == (before.id, before.address)


def test_node_tells_of_the_watchdog_and_a_stop_is_on_purpose(tmp_path: Path) -> None:
    with droplet(tmp_path) as lab, lab.client() as client:
        lab.deploy(1)
        assert node(client).watch is None
        client.stop(NAME, wire.Stop())
        again = Watchdog(lab.settings.state / "watchdog.json", lab.engine, Leases(tmp_path / "other.json"))
        again.round()
        found = next(one for one in lab.engine.instances(NAME) if one.role == "current")
        told = again.told(found)
        assert told is not None
        assert (told.resting, found.running) == (True, False)


def node(client: AgentClient) -> wire.Container:
    """The service's current container, as `/node` tells of it."""
    return next(one for one in client.node().containers if one.role == "current")
