"""Faults of clouds and doings of other people in the midst of a run, beside those that other tests make; docs/faults.md
has them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from fleet.errors import DeployerError, HostsFailed, InvalidInput, RateLimited, TransientError
from flows.deploy import deploy
from flows.rollback import rollback
from flows.undeploy import undeploy
from tasks.policy import LONGEST_PATIENCE_SECONDS, RETRIES
from tests.flows.conftest import OLD
from tests.flows.fleet_of_fakes import DOMAIN, Fleet
from tests.flows.machines import Machine
from tests.flows.undeploying import everything_gone
from tests.histories.lane import Lane, open_lane
from tests.histories.trouble import Overtaken, suffering
from tests.histories.view import places

LIMIT = InvalidInput("DigitalOcean does not accept this: creating this droplet will exceed your droplet limit.")
HOUR = 3600.0


@pytest.fixture
def lane(tmp_path: Path) -> Iterator[Lane]:
    """The fast lane, with a fleet whose droplets are old enough to be destroyed."""
    with open_lane() as opened, opened.open(tmp_path) as fleet:
        fleet.droplets.clock = lambda: opened.time.now() - OLD
        yield opened


@pytest.fixture
def fleet(lane: Lane) -> Fleet:
    return lane.fleet


def before(lane: Lane, end: str, happens: Callable[[], None]) -> None:
    """Something happens just before the first call whose name ends so."""

    def listen(call: str) -> None:
        if call.endswith(end):
            lane.listeners.remove(listen)
            happens()

    lane.listeners.append(listen)


def vanish(lane: Lane, machine: Machine) -> None:
    """Somebody destroys a droplet in the control panel, with all that is on it."""
    droplets = lane.fleet.droplets
    droplet = next(one for one in droplets.all.values() if one.name == machine.name)
    droplets.gone.append(droplets.all.pop(droplet.id))
    machine.close()
    del lane.agents.machines[machine.address], droplets.machines[machine.name]


@pytest.mark.parametrize(("call", "served"), [("/candidate", "old"), ("/promote", "old"), ("/retire", "new")])
def test_a_droplet_that_vanishes_in_a_deploy_is_named_and_the_others_serve_one_good_release(
    lane: Lane, fleet: Fleet, call: str, served: str
) -> None:
    deploy(fleet.service())
    gone, stays = fleet.machines
    old = stays.releases["current"]
    fleet.write("two")
    before(lane, call, lambda: vanish(lane, gone))
    with pytest.raises(DeployerError, match=rf"failed on 1 of 2 droplets:\n  {gone.name}"):
        deploy(fleet.service())
    assert (stays.releases["current"] == old) is (served == "old")
    assert stays.router.get(DOMAIN)[0] == 200
    deploy(fleet.service())
    assert fleet.records == fleet.everywhere
    assert len(fleet.serving) == 1
    assert (len(fleet.machines), len(fleet.droplets.requests)) == (2, 3)


def test_a_new_droplet_that_vanishes_before_it_has_an_address_is_made_again_by_the_next_deploy(
    lane: Lane, fleet: Fleet
) -> None:
    before(lane, "droplets.read", fleet.droplets.all.clear)
    with pytest.raises(HostsFailed, match=r"is gone\. Run this again: it makes another"):
        deploy(fleet.service(1))
    assert fleet.records == []
    deploy(fleet.service(1))
    assert fleet.records == fleet.everywhere


def test_a_droplet_that_never_becomes_active_is_named_and_the_next_deploy_makes_no_second(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(fleet.service(1))
    serving = fleet.serving
    fleet.write("two")
    with monkeypatch.context() as stuck:
        stuck.setattr(fleet.droplets, "_booted", fleet.droplets.all.get)
        with pytest.raises(HostsFailed, match="to become active, in vain") as caught:
            deploy(fleet.service(2))
        (name,) = caught.value.failures
        with pytest.raises(TransientError, match=f"nothing has been changed: {name}"):
            deploy(fleet.service(2))
        assert fleet.serving == serving
    deploy(fleet.service(2))
    assert len(fleet.droplets.requests) == 2
    assert fleet.records == fleet.everywhere


@pytest.mark.parametrize("shown", [0, 1], ids=["none", "one of two"])
def test_a_list_that_lacks_droplets_is_not_taken_for_all_that_there_are(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, shown: int
) -> None:
    deploy(fleet.service())
    fleet.write("two")
    changes, records, listed = fleet.changes, fleet.records, fleet.droplets.read_tagged
    with monkeypatch.context() as lagging:
        lagging.setattr(fleet.droplets, "read_tagged", lambda tag: listed(tag)[:shown])
        for run in (deploy, rollback):
            with pytest.raises(TransientError, match=f"2 droplets carry the tag .* lists {shown} of them"):
                run(fleet.service())
    assert (fleet.changes, fleet.records) == (changes, records)
    deploy(fleet.service())
    assert len(fleet.droplets.requests) == 2
    assert fleet.records == fleet.everywhere


def test_a_volume_on_a_droplet_that_a_list_lacks_is_not_made_a_second_time(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis = fleet.service(
        1, name="redis", runs={"kind": "tcp", "port": 6379}, volumes=[{"name": "data", "path": "/data"}]
    )
    deploy(fleet.service())
    deploy(redis)
    (place,) = [one for one in fleet.machines if len(one.engine.instances()) == 2]
    listed = fleet.droplets.read_tagged
    monkeypatch.setattr(
        fleet.droplets, "read_tagged", lambda tag: [one for one in listed(tag) if one.name != place.name]
    )
    with pytest.raises(TransientError, match="lists 1 of them"):
        deploy(redis)
    assert [len(one.engine.instances()) for one in fleet.machines if one is not place] == [1]


def test_a_droplet_beyond_the_accounts_limit_is_asked_for_once_and_the_reason_is_told(fleet: Fleet) -> None:
    deploy(fleet.service(1))
    calls, serving = fleet.cloud.faults.calls, fleet.serving
    calls.clear()
    fleet.cloud.faults.fail("droplets.ensure", LIMIT)
    with pytest.raises(HostsFailed, match="exceed your droplet limit"):
        deploy(fleet.service(2))
    assert calls.count("droplets.ensure") == 1
    assert (fleet.serving, fleet.records) == (serving, fleet.everywhere)


def test_a_provider_that_asks_for_patience_gets_it_within_bounds(lane: Lane, fleet: Fleet) -> None:
    faults = fleet.cloud.faults
    faults.fail("account.read_regions", RateLimited("slowly", retry_after=17))
    deploy(fleet.service(1))
    assert lane.time.monotonic() > 17
    began = lane.time.monotonic()
    faults.calls.clear()
    faults.fail("account.read_regions", *[RateLimited("slowly", retry_after=HOUR)] * 99)
    with pytest.raises(RateLimited):
        deploy(fleet.service(2))
    assert faults.calls.count("account.read_regions") == RETRIES + 1
    assert lane.time.monotonic() - began < (RETRIES + 2) * LONGEST_PATIENCE_SECONDS


def test_a_record_that_cloudflare_does_not_delete_keeps_its_host_and_the_next_undeploy_goes_on(fleet: Fleet) -> None:
    deploy(fleet.service())
    fleet.dns.faults.fail("dns.remove", *[TransientError("Cloudflare answers 502")] * 99)
    with pytest.raises(HostsFailed, match="Cloudflare answers 502"):
        undeploy(fleet.service(), destroy_empty=True)
    assert fleet.records == fleet.everywhere
    assert [status for status, _ in fleet.visit(DOMAIN)] == [200, 200]
    fleet.dns.faults.before.clear()
    undeploy(fleet.service(), destroy_empty=True)
    everything_gone(fleet)


def test_a_lost_reply_to_a_record_makes_no_second_record(fleet: Fleet) -> None:
    fleet.dns.faults.fail("dns.ensure", TransientError("no reply"), lost_reply=True)
    deploy(fleet.service())
    assert fleet.dns.faults.calls.count("dns.ensure") == 3
    assert fleet.records == fleet.everywhere


@pytest.mark.parametrize("one", [True, False], ids=["one droplet", "all"])
def test_no_record_leads_to_an_address_when_it_is_given_back(lane: Lane, fleet: Fleet, one: bool) -> None:
    deploy(fleet.service())
    left: list[set[str]] = []

    def listen(call: str) -> None:
        if call == "droplets.remove":
            left.append({address for _, address in fleet.records})

    lane.listeners.append(listen)
    first, second = fleet.machines
    undeploy(fleet.service(), droplet=first.name if one else None, destroy_empty=True)
    assert left == ([{second.address}] if one else [set(), set()])


def test_a_controller_that_knows_nothing_finds_what_another_has_made(
    lane: Lane, fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stray = fleet.add_stray_record(f"www.{fleet.dns.zone}")
    for content in ("one", "two"):
        fleet.write(content)
        deploy(fleet.service())
    first, ids = fleet.machines[0].releases["previous"], [machine.ids for machine in fleet.machines]
    monkeypatch.setenv("DEPLOYER_STATE", str(tmp_path / "another"))
    lane.runs.begin()
    deploy(fleet.service())
    assert [machine.ids for machine in fleet.machines] == ids
    rollback(fleet.service())
    assert fleet.serving == {first}
    undeploy(fleet.service(), destroy_empty=True)
    assert list(fleet.dns.all.values()) == [stray]
    del fleet.dns.all[stray.id]
    everything_gone(fleet)


@dataclass
class AnotherUndeploy:
    """Somebody else takes the service off meanwhile, with its droplets."""

    came: bool = False

    def run(self, lane: Lane) -> None:
        """From its beginning to its end."""
        self.came = True
        undeploy(lane.fleet.service(), destroy_empty=True)


def there_is(fleet: Fleet) -> str:
    """How much of the service is there, on droplets that are: `all`, `nothing`, or a mixture."""
    there = places(fleet)
    current = [one.machine.releases.get("current") for one in there]
    led = {address for _, address in fleet.records}
    if len(set(current)) == 1 and all(current) and led == {one.machine.address for one in there}:
        return "all"
    return "nothing" if not led and not any(one.machine.releases for one in there) else f"{current}, {led}"


@pytest.mark.parametrize("deployed", [True, False], ids=["a next deploy", "a first deploy"])
def test_a_deploy_that_an_undeploy_overtakes_anywhere_leaves_all_or_nothing(tmp_path: Path, deployed: bool) -> None:
    ended = set()
    with open_lane() as lane:
        for number in count(1):
            (folder := tmp_path / str(number)).mkdir()
            with lane.open(folder) as fleet:
                if deployed:
                    deploy(fleet.service())
                    lane.time.sleep(HOUR)  # an undeploy spares droplets that are new
                fleet.write("two")
                with suffering(Overtaken(number, other := AnotherUndeploy()), lane), suppress(DeployerError):
                    deploy(fleet.service())
                ended.add(there_is(fleet))
            if not other.came:
                break
    assert ended == {"all", "nothing"}
