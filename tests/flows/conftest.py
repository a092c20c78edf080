"""What the tests of flows share: Prefect in this process, a fleet of fakes, and no waiting in vain."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from importlib import import_module
from pathlib import Path

import httpx
import pytest
from prefect import Task

from tasks.healing.selftest import Address, Heard
from tests.flows import artifacts
from tests.flows.fleet_of_fakes import Fleet, open_fleet
from tests.flows.ward import Ward, open_ward
from tests.histories.lane import open_lane

SOON, LATE = timedelta(milliseconds=50), timedelta(seconds=5)
OLD = timedelta(days=1)
"""Of this age are droplets when they are made: none is young enough to be left alone, or waited for."""
MODULES = (
    "adoption",
    "base_images",
    "bases",
    "containers",
    "dns",
    "droplets",
    "firewalls",
    "health",
    "images",
    "origins",
    "room",
    "leftovers",
    "locks",
    "logs",
    "maintenance",
    "manifests",
    "keys",
    "mirrors",
    "peers",
    "plans",
    "probes",
    "releases",
    "removal",
    "reports",
    "rollouts",
    "sealing",
    "snapshots",
    "tombstones",
    "verifying",
    "drills.injecting",
    "drills.orders",
    "drills.watching",
)


def _cut_off(address: Address) -> Heard:
    raise httpx.ConnectError(f"{address.url} is not for tests")


@pytest.fixture(autouse=True)
def apart(tmp_path: Path) -> Iterator[None]:
    """What is remembered of healing is the test's own, and nobody asks the world.

    Its patches are its own: were `monkeypatch` made here, it would be undone after the lanes of the tests, and put
    back what they had patched.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEPLOYER_STATE", str(tmp_path / "controller"))
        patch.setenv("DEPLOYER_PUBLIC_ADDRESSES", '["https://one.example", "https://two.example"]')  # not an .env's
        patch.setattr("tasks.healing.selftest.ask_address", _cut_off)
        yield


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fakes are ready at once: no step waits long before it looks, or tries, again."""
    monkeypatch.setattr("tasks.dns.FORGET_SECONDS", 0.0)
    monkeypatch.setattr("tasks.droplets.POLL", SOON)
    monkeypatch.setattr("tasks.droplets.READY_DEADLINE", LATE)
    monkeypatch.setattr("tasks.firewalls.POLL", SOON)
    monkeypatch.setattr("tasks.locks.POLL", SOON)
    monkeypatch.setattr("tasks.leftovers.LOOK_SECONDS", 0.0)
    monkeypatch.setattr("tasks.removal.POLL", SOON)
    monkeypatch.setattr("agent.client.session.POLL_SECONDS", SOON.total_seconds())
    monkeypatch.setattr("agent.server.slots._POLL_SECONDS", SOON.total_seconds())
    for name in MODULES:
        for step in vars(import_module(f"tasks.{name}")).values():
            if isinstance(step, Task):
                monkeypatch.setattr(step, "retry_delay_seconds", 0)
                monkeypatch.setattr(step, "tags", set())  # no limits here, and asking for each costs 2 s


@pytest.fixture
def fleet(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Fleet]:
    """Two empty clouds, and a machine for each droplet that will be made.

    Flows run on the fast lane, which `test_fast_lane.py` holds to the truth; those of a test marked `engine` run
    through Prefect, with agents behind TLS.
    """
    if request.node.get_closest_marker("engine"):
        for needed in ("prefect", "quick"):
            request.getfixturevalue(needed)
        request.getfixturevalue("monkeypatch").setattr("tasks.health.files.folder", lambda: tmp_path / "health")
        with open_fleet(tmp_path) as opened:
            yield opened
        return
    with open_lane() as lane, lane.open(tmp_path) as opened, pytest.MonkeyPatch.context() as patch:
        opened.droplets.clock = lambda: lane.time.now() - OLD
        patch.setattr(artifacts, "published", lane.runs.artifacts)
        yield opened


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    """A fleet in the care of health rounds, with nothing on it yet."""
    with open_ward(tmp_path) as opened:
        yield opened
