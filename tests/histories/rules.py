"""What is never broken: looked at after each effect of a run, and at its end.

at every moment   a record of ours leads to a droplet that serves its name well; a name that has visitors keeps them;
                  what may not run twice does not, on one droplet or on two
always            what is not ours is as it was; nothing is there twice
after a success   one release, as many droplets and just the records that were asked for, and nothing left over
after a failure   what was there before; or, where a part could not be taken back, the error says so
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from fleet import naming
from fleet.state import Firewall, Record
from tests.histories.lane import Lane
from tests.histories.view import current, expected, leads, places, records, running

Names = frozenset[str]
HALF = "not everything could be taken back"
SERVES = "the release serves everywhere, but what comes after was not finished"
BACK = "every droplet serves what it served before"
LOST = "its lock was lost: nothing was taken back"
"""What the report of a failed run says."""
ALONE = ("store", "cache", "ticker", "nightly")
"""Services that are on one droplet only, of which no two containers may run."""


@dataclass
class Watch:
    """Looks on while a run goes on; `broken` has each thing that should never have been so, once."""

    lane: Lane
    keeping: Names = frozenset()
    """Names that have visitors, and must not lose them."""
    gone: set[str] = field(default_factory=set)
    """Addresses of droplets that somebody destroyed by hand: records that led there were right once."""
    broken: dict[str, None] = field(default_factory=dict)

    def look(self) -> None:
        """Now."""
        at = {one.machine.address: one for one in places(self.lane.fleet)}
        found = records(self.lane.fleet)
        for record in found:
            place = at.get(record.content)
            if place and self.lane.time.asking and place.takes_turns(record.name):
                continue  # inside one call of its agent, one release ends before the next one begins
            if (place is None or place.serves(record.name) is None) and record.content not in self.gone:
                self.broken[f"{record.name} leads to {record.content}, which does not serve it"] = None
        for name in self.keeping - {one.name for one in found if one.content in at}:
            self.broken[f"{name} has lost its visitors"] = None
        for name, containers in running(self.lane.fleet).items():
            if name in ALONE and len(containers) > 1:
                self.broken[f"{name} runs twice: {', '.join(containers)}"] = None

    def everywhere(self) -> None:
        """From now on after each effect, on a droplet or in a cloud."""
        for one in places(self.lane.fleet):
            one.machine.engine.crashes.watch = one.machine.router.crashes.watch = self.look


@dataclass(frozen=True)
class Before:
    """What a failed run has to leave."""

    current: Mapping[str, str]
    leads: frozenset[tuple[str, str]]
    running: frozenset[str]
    """The droplets on which what is current runs."""
    pages: frozenset[bool]
    """Whether its names show a page, wherever they are routed."""
    data: frozenset[str]
    """The droplets that hold a volume of it."""

    @property
    def uniform(self) -> bool:
        """Whether one release serves, and no other."""
        return len(set(self.current.values())) == 1


def before(lane: Lane, service: str) -> Before:
    """What there is of a service now; a record to a droplet that is gone may go, and need not come back."""
    there = {one.machine.address for one in places(lane.fleet)}
    led = frozenset((name, address) for name, address in leads(lane.fleet, service) if address in there)
    return Before(
        current(lane.fleet, service),
        led,
        frozenset(one.droplet.name for one in expected(lane.fleet, service) if one.runs(service)),
        frozenset(page for one in expected(lane.fleet, service) for page in one.pages(service)),
        frozenset(one.droplet.name for one in places(lane.fleet) if one.holds(service)),
    )


def twice(lane: Lane) -> list[str]:
    """What there is more than once."""
    intents = [tag for one in lane.fleet.droplets.all.values() for tag in one.tags if naming.is_intent_tag(tag)]
    pairs = [f"{one.name} to {one.content}" for one in records(lane.fleet)]
    return [what for what, times in Counter([*intents, *pairs]).items() if times > 1]


def theirs(lane: Lane) -> tuple[list[Record], list[Firewall], list[str]]:
    """All that was not made here."""
    ours = {one.id for one in records(lane.fleet)}
    return (
        [one for one in lane.fleet.dns.all.values() if one.id not in ours],
        [one for one in lane.fleet.cloud.firewalls.all.values() if not naming.is_our_firewall(one.tags)],
        [repr(one) for one in lane.fleet.droplets.all.values() if not naming.is_our_droplet(one.tags)],
    )


def check_serves(
    lane: Lane, service: str, names: Iterable[str], replicas: int | None = None, strict: bool = True
) -> None:
    """A service as it should be after a deploy or a rollback; that leaves records which lead nowhere to a deploy."""
    fleet = lane.fleet
    serving = current(fleet, service)
    assert len(set(serving.values())) == 1, f"mixed: {serving}"
    assert replicas in (None, len(serving)), f"{replicas} droplets were wanted: {serving}"
    addresses = {one.machine.address for one in places(fleet) if one.droplet.name in serving}
    led = {(name, address) for name, address in leads(fleet, service) if strict or address in addresses}
    assert led == {(name, address) for address in addresses for name in names}
    for place in expected(fleet, service):
        found = place.containers(service)
        roles = {role for role, one in found.items() if one.running}
        wanted = {"current"} if service != "nightly" and "current" in found else set()
        assert roles == wanted, f"{place.droplet.name} runs {sorted(roles)}"


def check_kept(lane: Lane, service: str, was: Before) -> None:
    """What a release does not change, after a deploy or a rollback: the page before it, and where its data is."""
    now = before(lane, service)
    assert now.pages <= {True in was.pages}, f"the page: {was.pages} became {now.pages}"
    assert not was.data or set(now.current) <= was.data, f"the data is on {set(was.data)}, and it runs on {now.current}"


def check_interrupted(lane: Lane, service: str, was: Before, report: str) -> None:
    """A service after a deploy or a rollback that was cancelled: as after one that failed, or as after one that went
    well, where only its end is missing.
    """
    if "✅" not in report:
        check_failed(lane, service, was, report)


def check_failed(lane: Lane, service: str, was: Before, report: str) -> None:
    """A service after a run that failed, by what its report says: as before, unless the new release serves already."""
    now = before(lane, service)
    if HALF in report or LOST in report:
        return
    if SERVES in report:
        led = {address for _, address in now.leads}
        there = [one for one in expected(lane.fleet, service) if one.machine.address in led or not led]
        seen = {one.release for place in there if (one := place.containers(service).get("current"))}
        assert len(seen) == 1, f"mixed: {now}"
    else:
        assert replace(now, data=was.data) == was, f"{was} became {now}"
        assert not report or BACK in report, report


def check_gone(lane: Lane, service: str, droplet: str | None = None) -> None:
    """A service after an undeploy: nothing of it where it was taken off, but where nobody answers."""
    for place in places(lane.fleet):
        if droplet not in (None, place.droplet.name):
            continue
        assert not [one for one in records(lane.fleet, service) if one.content == place.machine.address]
        if place.machine.answers:
            assert place.containers(service) == {}
            routed = {naming.service_of(one.container) for one in place.machine.router.table.routes}
            assert service not in routed
        else:
            assert place.given_up & {None, service}, f"{place.droplet.name} has no tombstone"
