"""What the agent's contract suites share."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from agent.server import slots
from tests.contract.agent import engines
from tests.contract.agent.engines import Lab
from tests.contract.agent.journal import Journal


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for a container looks a hundred times a second."""
    monkeypatch.setattr(slots, "_POLL_SECONDS", 0.01)


@pytest.fixture(scope="module", params=["fake", pytest.param("docker", marks=pytest.mark.docker)])
def shared_lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    if request.param == "fake":
        with engines.fake() as lab:
            yield lab
    else:
        with engines.docker(tmp_path_factory.mktemp("engine")) as lab:
            yield lab


@pytest.fixture
def lab(shared_lab: Lab) -> Iterator[Lab]:
    yield shared_lab
    for one in shared_lab.engine.instances():
        shared_lab.engine.remove(one.full_name)


@pytest.fixture
def journal() -> Iterator[Journal]:
    """At the root, where the agent's own handler is; everything is written, whatever its level."""
    kept, root = Journal(), logging.getLogger()
    before = root.level
    root.addHandler(kept)
    root.setLevel(logging.DEBUG)
    yield kept
    root.setLevel(before)
    root.removeHandler(kept)
