"""The fast lane of `tests.histories` beside runs through Prefect with agents behind TLS: the same changes, and end."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fleet.errors import DeployerError, PermanentError
from flows.deploy import deploy
from flows.finish_undeploys import finish_undeploys
from flows.rollback import rollback
from flows.undeploy import undeploy
from tests.flows.fleet_of_fakes import Fleet
from tests.flows.machines import Machine
from tests.flows.undeploying import awake, shop
from tests.histories.lane import open_lane

RELEASE = re.compile(r"\d{8}t\d{6}(?=-[0-9a-f]{6})")
ADDRESS = re.compile(r"127\.8\d\.\d+\.\d+")
STAMP = re.compile(r"\d{8}t\d{6}")


class Ill(set[str]):
    """All releases, whatever they will be called."""

    def __contains__(self, _: object) -> bool:
        return True


@dataclass
class Lane:
    """One of both: its fleet, how its runs ended, and the number of the run that goes on."""

    fleet: Fleet
    ends: list[str]
    number: int = 0

    def run(self, flow: Callable[..., None], *args: Any, **kwargs: Any) -> None:
        """A run, and how it ended."""
        self.number += 1
        try:
            flow(*args, **kwargs)
        except DeployerError as error:
            self.ends.append(f"{type(error).__name__}: {error.message}")
        else:
            self.ends.append("done")

    def seed(self, _bytes: int) -> str:
        """As the fast lane names its droplets."""
        return hashlib.sha256(f"run-{self.number}".encode()).hexdigest()[:12]


def releases_and_back(lane: Lane) -> None:
    fleet = lane.fleet
    lane.run(deploy, fleet.service())
    lane.run(deploy, fleet.service())
    fleet.write("two")
    lane.run(deploy, fleet.service(), canary=True, soak_seconds=0)
    lane.run(rollback, fleet.service())
    lane.run(rollback, fleet.service())
    lane.run(undeploy, fleet.service(), destroy_empty=True)


def more_and_fewer_droplets_beside_another_service(lane: Lane) -> None:
    fleet = lane.fleet
    lane.run(deploy, fleet.service(1))
    lane.run(deploy, shop(fleet))
    lane.run(deploy, fleet.service(3), max_parallel=1)
    fleet.write("two")
    lane.run(deploy, fleet.service(1), remove_empty=True)
    lane.run(undeploy, fleet.service(), droplet=fleet.machines[0].name)
    lane.run(undeploy, environment=fleet.environment())


def failures_that_are_taken_back(lane: Lane) -> None:
    fleet = lane.fleet
    lane.run(deploy, fleet.service())
    fleet.write("two")
    fleet.machines[1].engine.crashing = Ill()
    lane.run(deploy, fleet.service())
    fleet.machines[1].engine.crashing = set()
    fleet.machines[1].router.refusing = "it was told to"
    lane.run(deploy, fleet.service())
    fleet.machines[1].router.refusing = ""
    fleet.dns.faults.fail("dns.ensure", PermanentError("the zone is locked"), lost_reply=True)
    lane.run(deploy, fleet.service(3))
    lane.run(deploy, fleet.service(3))


def a_droplet_that_is_silent_for_a_while(lane: Lane) -> None:
    fleet = lane.fleet
    lane.run(deploy, fleet.service())
    away = fleet.machines[0]
    away.silence()
    lane.run(undeploy, fleet.service())
    lane.run(finish_undeploys, fleet.environment())
    awake(fleet, away)
    lane.run(finish_undeploys, fleet.environment())


def state(fleet: Fleet) -> list[object]:
    """What there is in the end, and what was done to it on the way, each droplet by itself."""
    held = fleet.droplets.all.values()
    clouds = [sorted((one.name, one.status, sorted(one.tags)) for one in held), fleet.cloud.tags.all]
    calls = [sorted(one.faults.calls) for one in (fleet.cloud, fleet.dns)]  # some happen at once: in any order
    walls = [sorted(fleet.cloud.firewalls.all), sorted((one.name, one.comment) for one in fleet.dns.all.values())]
    return [*(fact for one in fleet.machines for fact in inside(one)), *clouds, *walls, fleet.changes, *calls]


def inside(one: Machine) -> list[object]:
    """What there is on a droplet."""
    containers = [(seen.full_name, seen.release, seen.status, seen.image) for seen in one.engine._found.values()]
    images = (one.name, sorted(one.engine.stock.images))
    return [(one.name, one.address, one.starts), images, one.router.table, (one.name, one.changes), containers]


def told(lane: Lane) -> list[str]:
    """All of it in words that do not depend on the time, nor on which of two droplets was made first."""
    text = [*lane.ends, *map(repr, state(lane.fleet))]
    stamps = sorted({found for line in text for found in RELEASE.findall(line)})
    numbered = {stamp: f"release {number}" for number, stamp in enumerate(stamps, 1)}
    plain = [STAMP.sub("then", RELEASE.sub(lambda found: numbered[found[0]], line)) for line in text]
    addresses = {one.address: f"at {one.name}" for one in lane.fleet.machines}
    return [ADDRESS.sub(lambda found: addresses.get(found[0], "inside"), line) for line in plain]


@pytest.mark.parametrize(
    "scenario",
    [
        releases_and_back,
        more_and_fewer_droplets_beside_another_service,
        failures_that_are_taken_back,
        a_droplet_that_is_silent_for_a_while,
    ],
    ids=lambda one: one.__name__.replace("_", " "),
)
def test_both_lanes_come_to_the_same_by_the_same_changes(
    fleet: Fleet, scenario: Callable[[Lane], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    slow = Lane(fleet, [])
    monkeypatch.setattr("tasks.plans.secrets", SimpleNamespace(token_hex=slow.seed))
    scenario(slow)
    (tmp_path / "fast").mkdir()
    with open_lane() as lane, lane.open(tmp_path / "fast") as opened:
        fast = Lane(opened, [])
        scenario(fast)
        assert told(fast) == told(slow)
