"""An undeploy that is killed at each of its changes and run again: the end is always the same."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from agent.client import AgentClient
from agent.server import leases
from fleet.state import Firewall
from flows.deploy import deploy
from flows.finish_undeploys import finish_undeploys
from flows.undeploy import undeploy
from tests.fakes.deaths import Death
from tests.flows.artifacts import latest
from tests.flows.fleet_of_fakes import Fleet
from tests.flows.machines import Machine
from tests.flows.undeploying import REPORT, awake, everything_gone, stones
from tests.unit.agent.test_leases import Clock

LEASE = 60
CLOUD = {
    "cloud.droplets": ("remove",),
    "cloud.firewalls": ("remove",),
    "cloud.tags": ("add", "remove", "discard"),
    "dns": ("remove",),
}
AGENT = (
    "take_lease",
    "free_lease",
    "remove",
    "remove_volume",
    "prune",
    "rollback",
    "retire",
    "begin_maintenance",
    "end_maintenance",
)


@contextmanager
def watched(fleet: Fleet, death: Death) -> Iterator[None]:
    """Every change of the controller goes through `death` while the block lasts."""
    with pytest.MonkeyPatch.context() as patch:
        for path, names in CLOUD.items():
            target: Any = fleet
            for part in path.split("."):
                target = getattr(target, part)
            for name in names:
                patch.setattr(target, name, death.guarded(f"{path}.{name}", getattr(target, name)))
        for name in (name for name in AGENT if hasattr(AgentClient, name)):
            patch.setattr(AgentClient, name, death.guarded(f"agent.{name}", getattr(AgentClient, name)))
        yield


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time of all agents, which stands still until it is moved on."""
    made = Clock()
    monkeypatch.setattr(leases, "moment", made)
    return made


def killed_everywhere(
    fleet: Fleet, clock: Clock, prepare: Callable[[], None], run: Callable[[], None], check: Callable[[], None]
) -> set[str]:
    """Prepares, kills the run at its first change, runs it again and checks; then at the second, and so on to the last.

    Gives the changes at which it was killed.
    """
    seen = set[str]()
    for number in count(1):
        prepare()
        death = Death(number)
        # Whatever is raised is what is left of a flow whose process is gone.
        with watched(fleet, death), contextlib.suppress(BaseException):
            run()
        if death.over:
            seen.add(death.changes[-1])
            clock.wait(LEASE)
            run()
        check()
        if not death.over:
            return seen  # there are no more changes than that
    raise AssertionError


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_undeploy_that_is_killed_anywhere_is_finished_by_the_next_one(fleet: Fleet, clock: Clock) -> None:
    theirs = Firewall("theirs", "web", (), ("web",))
    fleet.cloud.firewalls.all[theirs.name] = theirs
    stray = fleet.dns.add(f"www.{fleet.dns.zone}", "198.51.100.9", "a web server of our own")

    def check() -> None:
        assert fleet.droplets.all == {}
        assert list(fleet.dns.all.values()) == [stray]
        assert list(fleet.cloud.firewalls.all.values()) == [theirs]
        assert set(fleet.cloud.tags.all) == {*fleet.snapshot.tags, "web"}
        assert "left behind" not in latest(REPORT)

    seen = killed_everywhere(
        fleet,
        clock,
        lambda: deploy(fleet.service(replicas=1)),
        lambda: undeploy(fleet.service(), destroy_empty=True),
        check,
    )
    changes = {"dns.remove", "agent.take_lease", "agent.remove", "cloud.droplets.remove", "cloud.firewalls.remove"}
    assert seen >= changes | {"cloud.tags.discard"}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("destroy", [False, True], ids=["the droplet stays", "the droplet goes"])
def test_a_pending_undeploy_that_is_killed_anywhere_is_finished_by_the_next_one(
    fleet: Fleet, clock: Clock, destroy: bool
) -> None:
    def prepare() -> None:
        deploy(fleet.service(replicas=1))
        machine_of(fleet).silence()
        undeploy(fleet.service(), destroy_empty=destroy)
        awake(fleet, machine_of(fleet))

    def check() -> None:
        if destroy:
            return everything_gone(fleet)
        machine = machine_of(fleet)
        assert (machine.releases, machine.router.table.routes, stones(fleet, machine)) == ({}, (), [])
        assert fleet.dns.all == {}
        assert len(fleet.droplets.all) == 1
        assert not [tag for tag in fleet.cloud.tags.all if "tombstone" in tag]

    seen = killed_everywhere(fleet, clock, prepare, lambda: finish_undeploys(fleet.environment()), check)
    changes = {"cloud.droplets.remove", "cloud.firewalls.remove"} if destroy else {"agent.prune", "cloud.tags.remove"}
    assert seen >= changes | {"agent.take_lease", "agent.remove", "cloud.tags.discard"}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_undeploy_from_a_silent_droplet_that_is_killed_anywhere_ends_with_its_tombstone(
    fleet: Fleet, clock: Clock
) -> None:
    def prepare() -> None:
        deploy(fleet.service(replicas=1))
        machine_of(fleet).silence()

    def check() -> None:
        machine = machine_of(fleet)
        assert [stone.service for stone in stones(fleet, machine)] == ["hello"]
        assert fleet.dns.all == {}
        number, found = next(iter(fleet.droplets.all.items()))
        fleet.droplets.all[number] = replace(found, tags=frozenset(tag for tag in found.tags if "tombstone" not in tag))
        awake(fleet, machine)

    seen = killed_everywhere(fleet, clock, prepare, lambda: undeploy(fleet.service()), check)
    assert seen == {"dns.remove", "cloud.tags.add"}


def machine_of(fleet: Fleet) -> Machine:
    """The machine of the only droplet."""
    return next(one for one in fleet.machines if one.name in [droplet.name for droplet in fleet.droplets.all.values()])
