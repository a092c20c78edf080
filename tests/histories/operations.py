"""What may happen in the life of an environment: runs of our flows, the doings of other people, silence and time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from fleet import naming
from fleet.errors import DeployerError, InvalidInput
from fleet.state import Firewall, Rule
from flows.deploy import deploy
from flows.finish_undeploys import finish_undeploys
from flows.maintenance import maintenance
from flows.rollback import rollback
from flows.undeploy import undeploy
from tasks.agents import Leased
from tasks.locks import WhenLocked
from tests.flows.fleet_of_fakes import ZONE
from tests.histories import rules
from tests.histories.lane import Lane
from tests.histories.life import SERVICES, WALL, Life, Wanted
from tests.histories.rules import Before, Names
from tests.histories.trouble import CloudFails, Overtaken, Trouble
from tests.histories.view import Place, current, places, records


class Operation(Protocol):
    """One thing that happens."""

    def happen(self, life: Life) -> None:
        """And what has to hold afterwards."""


@dataclass(frozen=True)
class Deploy:
    """Somebody deploys."""

    wanted: Wanted = field(default_factory=Wanted)
    canary: bool = False
    max_parallel: int = 0
    remove_empty: bool = False
    when_locked: WhenLocked = "wait"
    trouble: Trouble | None = None
    again: bool = False

    def happen(self, life: Life) -> None:
        """All droplets have it afterwards, or, when it failed, what they had."""
        name = self.wanted.name
        life.wanted[name] = self.wanted
        was, keeping = rules.before(life.lane, name), _others(life, name) | self.wanted.names
        call = partial(self._run, life)
        ended = life.run(call, keeping, self.trouble)
        if ended == "failed" and isinstance(self.trouble, Overtaken):
            assert not life.clear or rules.before(life.lane, name).uniform
        elif ended == "failed":
            _check_reason(life, self.trouble, self.when_locked)
            rules.check_failed(life.lane, name, was, life.report(f"deploy-demo-prod-{name}"))
        if ended == "cancelled":
            rules.check_interrupted(life.lane, name, was, life.report(f"deploy-demo-prod-{name}"))
        if ended == "killed":
            _check_runs(life, name, was)
        if ended == "done":
            wanted = None if isinstance(self.trouble, Overtaken) else self.wanted.droplets
            rules.check_serves(life.lane, name, self.wanted.names, wanted)
            rules.check_kept(life.lane, name, was)
        if ended == "done" and self.again:
            life.unchanged(call, keeping)

    def _run(self, life: Life) -> None:
        deploy(
            self.wanted.block(life.fleet),
            canary=self.canary,
            soak_seconds=4,
            max_parallel=self.max_parallel,
            remove_empty=self.remove_empty,
            when_locked=self.when_locked,
        )


@dataclass(frozen=True)
class AnotherDeploy:
    """Somebody else deploys at the same time."""

    wanted: Wanted

    def run(self, lane: Lane) -> None:
        """The same service with another content; when it fails, there is nothing to overtake."""
        with suppress(DeployerError):
            deploy(self.wanted.block(lane.fleet))


@dataclass(frozen=True)
class RollBack:
    """Somebody goes back to the release before, or to one that he picks of those that are there."""

    service: str = "hello"
    when_locked: WhenLocked = "wait"
    trouble: Trouble | None = None
    pick: int | None = None

    def happen(self, life: Life) -> None:
        """All droplets have gone back, or, when it failed, have what they had; when there is no way back as well."""
        was, changes = rules.before(life.lane, self.service), life.changes
        keeping = _others(life, self.service) | _kept(life, self.service)
        release, report = self._picked(life), f"rollback-demo-prod-{self.service}"
        ended = life.run(partial(self._run, life, release), keeping, self.trouble)
        if isinstance(life.failure, InvalidInput):
            assert (rules.before(life.lane, self.service), life.changes) == (was, changes)
        elif ended == "failed":
            _check_reason(life, self.trouble, self.when_locked)
            rules.check_failed(life.lane, self.service, was, life.report(report))
        elif ended == "cancelled":
            rules.check_interrupted(life.lane, self.service, was, life.report(report))
        elif ended == "killed":
            _check_runs(life, self.service, was)
        elif ended == "done":
            rules.check_serves(life.lane, self.service, _served(life, self.service), strict=False)
            rules.check_kept(life.lane, self.service, was)
            assert release in (None, *current(life.fleet, self.service).values())
            call = partial(self._run, life, next(iter(current(life.fleet, self.service).values())))
            life.unchanged(call, keeping)

    def _picked(self, life: Life) -> str | None:
        found = sorted({one.release for place in places(life.fleet) for one in place.containers(self.service).values()})
        return found[self.pick % len(found)] if found and self.pick is not None else None

    def _run(self, life: Life, release: str | None = None) -> None:
        service = life.wanted.get(self.service, Wanted(self.service)).block(life.fleet)
        rollback(service, release=release, when_locked=self.when_locked)


@dataclass(frozen=True)
class Undeploy:
    """Somebody takes a service, or everything, off one droplet or off all of them."""

    service: str | None = "hello"
    droplet: int | None = None
    destroy: bool = False
    when_locked: WhenLocked = "wait"
    trouble: Trouble | None = None
    again: bool = False
    volumes: tuple[str, ...] = ()
    """Those that go with their data."""

    def happen(self, life: Life) -> None:
        """It is not there any more, or is noted as still to go."""
        where = _at(life, self.droplet)
        going = [self.service] if self.service else list(SERVICES)
        keeping = _others(life, self.service, where)
        call = partial(self._run, life, where)
        ended = life.run(call, keeping, self.trouble)
        if ended == "failed":
            _check_reason(life, self.trouble, self.when_locked)
        if ended == "done":
            for name in going:
                rules.check_gone(life.lane, name, where)
        if ended == "done" and self.again and where in (None, *(one.droplet.name for one in places(life.fleet))):
            life.unchanged(call, keeping)

    def _run(self, life: Life, where: str | None) -> None:
        one = (
            life.wanted.get(self.service or "", Wanted(self.service or "")).block(life.fleet) if self.service else None
        )
        everything = None if one else life.fleet.environment()
        undeploy(one, everything, where, self.destroy, list(self.volumes), when_locked=self.when_locked)


@dataclass(frozen=True)
class Maintain:
    """Somebody switches the maintenance page of a service on or off."""

    service: str = "hello"
    on: bool = True
    when_locked: WhenLocked = "wait"
    trouble: Trouble | None = None

    def happen(self, life: Life) -> None:
        """All droplets show it, or the service; when it failed, what they showed."""
        was, changes = rules.before(life.lane, self.service), life.changes
        call = partial(self._run, life)
        ended = life.run(call, life.visited, self.trouble)
        now = rules.before(life.lane, self.service)
        told = life.report(f"maintenance-demo-prod-{self.service}")
        if isinstance(life.failure, InvalidInput):
            assert (now, life.changes) == (was, changes)
            return
        assert replace(now, pages=was.pages) == was, f"{was} became {now}"
        if ended == "failed":
            _check_reason(life, self.trouble, self.when_locked)
        if ended in ("failed", "cancelled") and not any(one in told for one in (rules.HALF, rules.LOST, "✅", "🚧")):
            assert now.pages == was.pages, f"{was.pages} became {now.pages}"
        if ended == "done":
            assert now.pages == {self.on}
            life.unchanged(call, life.visited)

    def _run(self, life: Life) -> None:
        service = life.wanted.get(self.service, Wanted(self.service)).block(life.fleet)
        maintenance(service, self.on, when_locked=self.when_locked)


@dataclass(frozen=True)
class Finish:
    """The schedule starts `finish-undeploys`."""

    trouble: Trouble | None = None
    again: bool = False

    def happen(self, life: Life) -> None:
        """Visitors notice nothing."""
        call = partial(finish_undeploys, life.fleet.environment())
        ended = life.run(call, life.visited, self.trouble)
        if ended == "failed":
            _check_reason(life, self.trouble, "fail")
        if ended == "done" and self.again:
            life.unchanged(call, life.visited)


@dataclass(frozen=True)
class Silence:
    """A droplet does not answer any more; its containers run on."""

    machine: int = 0

    def happen(self, life: Life) -> None:
        """If there is one."""
        if place := _place(life, self.machine):
            place.machine.silence()


@dataclass(frozen=True)
class Wake:
    """A droplet answers again."""

    machine: int = 0

    def happen(self, life: Life) -> None:
        """If there is one."""
        if place := _place(life, self.machine):
            place.machine.wake()


@dataclass(frozen=True)
class Wait:
    """Time goes by: locks of runs that were killed end, new droplets grow old."""

    minutes: int = 1

    def happen(self, life: Life) -> None:
        """Nothing else."""
        life.lane.time.sleep(60.0 * self.minutes)


@dataclass(frozen=True)
class LoseRecord:
    """Somebody deletes one of our records."""

    number: int = 0

    def happen(self, life: Life) -> None:
        """If there is one."""
        if found := records(life.fleet):
            del life.fleet.dns.all[found[self.number % len(found)].id]


@dataclass(frozen=True)
class DestroyByHand:
    """Somebody destroys one of our droplets in the control panel."""

    machine: int = 0

    def happen(self, life: Life) -> None:
        """With all that is on it."""
        if place := _place(life, self.machine):
            life.watch.gone.add(place.machine.address)
            life.fleet.droplets.gone.append(life.fleet.droplets.all.pop(place.droplet.id))
            place.machine.close()
            del life.lane.agents.machines[place.machine.address]


@dataclass(frozen=True)
class Foreign:
    """Somebody makes something whose name is one of ours, or nearly so."""

    what: str = "record"

    def happen(self, life: Life) -> None:
        """It is theirs."""
        FOREIGN[self.what](life)


@dataclass(frozen=True)
class ForeignGone:
    """Somebody takes it away again where it is in our way."""

    def happen(self, life: Life) -> None:
        """And leaves what is ours."""
        ours = {one.id for one in records(life.fleet)} | {
            one.id for one in life.fleet.dns.all.values() if one.name in (f"www.{ZONE}", f"www.hello.{ZONE}")
        }
        life.fleet.dns.all = {key: one for key, one in life.fleet.dns.all.items() if key in ours}
        life.fleet.droplets.all.pop(9000, None)
        wall = life.fleet.cloud.firewalls.all.get(WALL)
        if wall and not naming.is_our_firewall(wall.tags):
            del life.fleet.cloud.firewalls.all[WALL]


def _foreign_wall(name: str, life: Life) -> None:
    wall = Firewall(f"theirs-{name}", name, (Rule("22", ("0.0.0.0/0",)),), ("web",))
    life.fleet.cloud.firewalls.all.setdefault(name, wall)


def _foreign_droplet(life: Life) -> None:
    if place := _place(life, 0):
        tags = naming.droplet_tags(life.fleet.environment().spec())
        theirs = replace(place.droplet, id=9000, name="theirs", tags=tags, public_address="198.51.100.77")
        life.fleet.droplets.all[theirs.id] = theirs


FOREIGN: dict[str, Callable[[Life], object]] = {
    "record": lambda life: life.fleet.add_stray_record(f"www.hello.{ZONE}"),
    "record of our name": lambda life: life.fleet.add_stray_record(),
    "firewall": partial(_foreign_wall, "deployer-demo.prods"),
    "firewall of our name": partial(_foreign_wall, WALL),
    "droplet with our tag": _foreign_droplet,
}


def _check_reason(life: Life, trouble: Trouble | None, when: WhenLocked) -> None:
    """Whether a run had any reason to fail: a cloud that fails once is none."""
    mild = trouble is None or (isinstance(trouble, CloudFails) and not trouble.for_good)
    excused = isinstance(life.failure, Leased) and when == "fail"
    excused = excused or "is just being changed by" in str(life.failure)  # a run that was killed holds a lock still
    assert not (mild and life.clear) or excused, f"it failed without a reason: {life.failure!r}"


def _check_runs(life: Life, service: str, was: Before) -> None:
    """A run that was killed has left what was there running, or its successor."""
    now = rules.before(life.lane, service)
    assert not was.running or now.running, f"{was} became {now}"
    assert not was.data or set(now.current) <= was.data, f"the data is on {set(was.data)}, and it runs on {now.current}"


def _others(life: Life, service: str | None, where: str | None = None) -> Names:
    """The names whose visitors have nothing to do with a change of this service, perhaps on one droplet only."""
    elsewhere = {one.machine.address for one in places(life.fleet) if where not in (None, one.droplet.name)}
    mine = {one.id for one in records(life.fleet, service)}
    return frozenset(one.name for one in records(life.fleet) if one.id not in mine or one.content in elsewhere)


def _kept(life: Life, service: str) -> Names:
    """The names that every release of a service has which is there."""
    found = [set(one.hosts) for place in places(life.fleet) for one in place.containers(service).values()]
    return frozenset(set.intersection(*found)) if found else frozenset()


def _served(life: Life, service: str) -> Names:
    """The names of the release that serves."""
    found = (place.containers(service).get("current") for place in places(life.fleet))
    return frozenset(host for one in found if one for host in one.hosts)


def _at(life: Life, number: int | None) -> str | None:
    place = None if number is None else _place(life, number)
    return place.droplet.name if place else None


def _place(life: Life, number: int) -> Place | None:
    found = places(life.fleet)
    return found[number % len(found)] if found else None
