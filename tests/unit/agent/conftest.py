"""What the agent's unit tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agent.server import slots
from tests.unit.agent.histories import Scene


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """Waits poll a thousand times a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slots, "_POLL_SECONDS", 0.001)
        patch.setattr(slots, "RUN_SECONDS", 0.005)
        yield


@pytest.fixture
def scene() -> Iterator[Scene]:
    """A droplet on which nothing is yet."""
    made = Scene()
    yield made
    made.close()
