"""What a controller that has lost its database finds in the world, and what it makes of it. Pure.

It only ever makes what the controller itself keeps: nothing on a droplet, in DNS or in the account is changed, and a
block that is there is left as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from fleet import naming
from fleet.errors import TransientError
from fleet.spec import EnvironmentSpec
from fleet.state import Host, Record

Verb = Literal["make", "keep", "unknown", "absent"]
"""`make`: a block of its manifest. `keep`: its block is there. `unknown`: it runs, and no droplet has a manifest of it.
`absent`: a droplet has a manifest, and it runs nowhere."""


@dataclass(frozen=True)
class Left:
    """A manifest as a droplet has kept it."""

    container: str
    droplet: str
    release: str
    written_at: datetime
    by: str
    document: str

    @property
    def order(self) -> tuple[str, datetime]:
        """Of two manifests of a service, the one with the greater order counts."""
        return self.release, self.written_at


@dataclass(frozen=True)
class Held:
    """A lock that somebody holds on a droplet."""

    container: str
    droplet: str
    holder: str
    since: datetime


@dataclass(frozen=True)
class Sight:
    """A droplet with all that it knows of its services."""

    host: Host
    manifests: tuple[Left, ...] = ()
    locks: tuple[Held, ...] = ()
    pauses: tuple[str, ...] = ()
    """What controllers have paused, in words."""
    watched: tuple[str, ...] = ()
    """What the droplet's watchdog has done of late, in words."""


@dataclass(frozen=True)
class Adopted:
    """One service as it was found."""

    service: str
    container: str
    verb: Verb
    releases: tuple[str, ...] = ()
    """What serves, the newest first; more than one where a change was cut off."""
    older: tuple[str, ...] = ()
    """What can be gone back to."""
    droplets: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    records: int = 0
    left: Left | None = None

    @property
    def note(self) -> str:
        """What somebody should know of it; empty: nothing."""
        if self.verb == "unknown":
            return "no droplet has a manifest of it: make its Service block by hand; its next deploy leaves one"
        if self.verb == "absent":
            return "it runs nowhere: nothing is made of it, unless it is asked for"
        if len(self.releases) > 1:
            return "a change was cut off: its next deploy or rollback finishes it"
        if self.left and self.releases and self.left.release != self.releases[0]:
            return f"its manifest is that of {self.left.release}: the next deploy brings what that says"
        return ""


@dataclass(frozen=True)
class AdoptionPlan:
    """Everything that was found, and what will be made of it."""

    services: tuple[Adopted, ...]
    silent: tuple[tuple[str, str], ...] = ()
    """Droplets that nobody could ask, with the reason; those with a tombstone are not among them."""
    locks: tuple[Held, ...] = ()
    tombstones: tuple[tuple[str, str], ...] = ()
    """Droplets, and what is still to go from them."""
    pauses: tuple[str, ...] = ()
    watched: tuple[str, ...] = ()
    strays: tuple[tuple[str, int], ...] = ()
    """Environments that have droplets and no block here, and how many."""

    @property
    def making(self) -> tuple[Adopted, ...]:
        """The services that a block is made of."""
        return tuple(one for one in self.services if one.verb == "make")

    @property
    def newest(self) -> Left | None:
        """The latest manifest of all: what is known best of the environment."""
        found = [one.left for one in self.services if one.left]
        return max(found, key=lambda one: one.written_at, default=None)

    def lines(self) -> list[str]:
        """The plan for people, a service a line."""
        told = {"make": "make its block", "keep": "has a block: left as it is"}
        return [f"{one.service}: {told.get(one.verb) or one.note}" for one in self.services]


def plan_adoption(
    sights: Iterable[Sight],
    records: Iterable[Record],
    owner: str,
    spec: EnvironmentSpec,
    known: Collection[str] = (),
    strays: Mapping[str, int] | None = None,
    absent: bool = False,
) -> AdoptionPlan:
    """What is there, and what becomes of it.

    Args:
        sights: the environment's droplets.
        records: those whose comment is of the environment.
        owner: the team.
        spec: the environment.
        known: names of services that have a block here.
        strays: environments of the account that have droplets and no block here, with their number.
        absent: also make blocks of services that run nowhere any more.
    """
    seen, pointing = sorted(sights, key=lambda one: one.host.droplet.name), list(records)
    newest = _newest(seen, naming.container(owner, spec, ""))
    names = sorted({one.name for sight in seen for one in sight.host.containers} | newest.keys())
    return AdoptionPlan(
        services=tuple(_adopted(name, seen, pointing, newest.get(name), owner, spec, known, absent) for name in names),
        silent=tuple((one.host.droplet.name, one.host.error) for one in seen if one.host.error and not _stones(one)),
        locks=tuple(lock for one in seen for lock in one.locks),
        tombstones=tuple((one.host.droplet.name, what) for one in seen for what in _stones(one)),
        pauses=tuple(sorted({pause for one in seen for pause in one.pauses})),
        watched=tuple(line for one in seen for line in one.watched),
        strays=tuple(sorted((strays or {}).items())),
    )


def check_seen(plan: AdoptionPlan) -> None:
    """Whether every droplet could be asked.

    Raises:
        TransientError: one could not, and it may have what no other has.
    """
    if plan.silent:
        told = "; ".join(f"{name} ({why})" for name, why in plan.silent)
        raise TransientError(
            f"These droplets cannot be seen, so nothing has been written: {told}.",
            hint="Bring them back, or run this again with `without_silent`.",
        )


def count_strays(tags: Iterable[frozenset[str]], known: Collection[str]) -> dict[str, int]:
    """Environments that droplets with these tags are of, `project-name`, and that are not known; how many each has."""
    found: dict[str, int] = {}
    for one in tags:
        for title in _environments(one) if naming.is_our_droplet(one) else ():
            if title not in known:
                found[title] = found.get(title, 0) + 1
    return found


def _environments(tags: frozenset[str]) -> Iterator[str]:
    for tag in tags:
        word, _, rest = tag.partition(":")
        project, colon, name = rest.partition(":")
        if word == naming.TAG and colon and ":" not in name:
            yield f"{project}-{name}"


def _newest(sights: Iterable[Sight], mine: str) -> dict[str, Left]:
    left = sorted((one for sight in sights for one in sight.manifests), key=lambda one: one.order)
    return {one.container: one for one in left if one.container.startswith(mine)}


def _adopted(
    name: str,
    sights: Iterable[Sight],
    records: Iterable[Record],
    left: Left | None,
    owner: str,
    spec: EnvironmentSpec,
    known: Collection[str],
    absent: bool,
) -> Adopted:
    service = naming.service_of(name)
    found = [(one.host.droplet.name, seen) for one in sights for seen in one.host.all_of(name)]
    current = [(droplet, seen) for droplet, seen in found if seen.role == "current"]
    return Adopted(
        service=service,
        container=name,
        verb=_verb(service in known, left is not None, bool(found) or absent),
        releases=tuple(sorted({seen.release for _, seen in current}, reverse=True)),
        older=tuple(sorted({seen.release for _, seen in found if seen.role in ("previous", "kept")}, reverse=True)),
        droplets=tuple(droplet for droplet, _ in current),
        domains=tuple(sorted({host for _, seen in current for host in seen.hosts})),
        records=sum(naming.service_of_comment(one.comment, owner, spec) == service for one in records),
        left=left,
    )


def _verb(known: bool, left: bool, wanted: bool) -> Verb:
    if known:
        return "keep"
    if not left:
        return "unknown"
    return "make" if wanted else "absent"


def _stones(one: Sight) -> list[str]:
    found = naming.tombstones(one.host.droplet.tags).values()
    return [f"{stone.service or 'everything'}, since {stone.since:%Y-%m-%d %H:%M} UTC" for stone in found]
