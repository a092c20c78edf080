"""What has to go so that a service, or a whole environment, is there no more: pure functions, like `fleet.plan`.

The same plan proves an undeploy: made once more of the world as it is afterwards, it says what is left.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from fleet import key_tags, naming
from fleet.departures import Departure, Item, Pending, Scope, UndeployPlan
from fleet.errors import InvalidInput, PermanentError
from fleet.naming import Tombstone
from fleet.spec import EnvironmentSpec
from fleet.state import Droplet, Firewall, Host, World

__all__ = ["Departure", "Item", "Pending", "Scope", "UndeployPlan", "check_droplet", "plan_finish", "plan_undeploy"]

YOUNG = timedelta(minutes=10)
"""An empty droplet younger than this may be one that a deploy is just making."""


def plan_undeploy(world: World, scope: Scope) -> UndeployPlan:
    """What has to go. A droplet that does not answer keeps nothing from going elsewhere, and is pending.

    Raises:
        InvalidInput: the droplet that is named was not made here.
        PermanentError: something that is not ours is in the way; nothing has been changed.
    """
    records = tuple(one for one in world.records if scope.takes_record(one))
    hosts = _meant(world, scope)
    seen = [host for host in hosts if not host.error]
    departures = tuple(one for host in seen for one in _departures(host, scope))
    volumes = tuple((host.droplet, name) for host in seen for name in _volumes(host) if scope.volume(name))
    why = {host.droplet: _staying(host, departures, scope) for host in seen if scope.destroy_empty}
    destroyed = tuple(droplet for droplet, reason in why.items() if not reason)
    firewall, tags = _end(world, scope.environment, destroyed) if scope.destroy_empty else (None, ())
    return UndeployPlan(
        records=records,
        pending=tuple(_pending(host, scope) for host in hosts if host.error),
        departures=departures,
        volumes=volumes,
        prunes=_prunes(seen, departures, destroyed),
        destroyed=destroyed,
        firewall=firewall,
        tags=tags,
        settled=tuple(one for host in seen if host.droplet not in destroyed for one in _settled(host, scope)),
        spared=(*_strangers(world, scope), *(f"droplet {one.name}: {reason}" for one, reason in why.items() if reason)),
    )


def check_droplet(plan: UndeployPlan, world: World, scope: Scope) -> None:
    """Whether the droplet that is named is there, or has left something behind that still goes.

    For the plan that a run begins with: afterwards the droplet may be gone because that was asked for.

    Raises:
        InvalidInput: the environment has no droplet of that name.
    """
    known = sorted(host.droplet.name for host in world.hosts)
    if scope.droplet and scope.droplet not in known and not plan.lines():
        raise InvalidInput(
            f"{naming.environment(scope.environment)} has no droplet {scope.droplet!r}.",
            hint=f"Its droplets: {', '.join(known) or 'none'}. Choose one of them.",
        )


def plan_finish(world: World, owner: str, spec: EnvironmentSpec) -> UndeployPlan:
    """What is still to go from droplets with a tombstone, now that they can be seen; the others stay pending.

    A service with a release that is newer than its tombstone was deployed again: it stays. A tombstone that no droplet
    carries is what a killed run left; one that wanted its droplet gone says that the environment may have ended too.
    """
    stones = _stones(world, owner, spec)
    found = [(scope, one) for host, scope in stones if not host.error for one in _departures(host, scope)]
    newer = {one: None for scope, one in found if _is_newer(one.newest, scope.since)}
    departures = tuple({one: None for _, one in found if one not in newer})
    seen = list({host.droplet: host for host, _ in stones if not host.error}.values())
    wanted = {host.droplet for host, scope in stones if scope.destroy_empty}
    destroyed = tuple(one.droplet for one in seen if one.droplet in wanted and not _staying(one, departures))
    idle = idle_tombstones(world)
    ending = destroyed or (not world.hosts and any(one.destroy for one in idle.values()))
    left = [(host, scope) for host, scope in stones if not host.error and host.droplet not in destroyed]
    firewall, tags = _end(world, spec, destroyed) if ending else (None, tuple(sorted(idle)))
    return UndeployPlan(
        pending=tuple({_pending(host, scope): None for host, scope in stones if host.error}),
        departures=departures,
        prunes=_prunes(seen, departures, destroyed),
        destroyed=destroyed,
        firewall=firewall,
        tags=tags,
        settled=tuple({one: None for host, scope in left for one in _settled(host, scope, newer)}),
        spared=tuple(f"{one.container} on {one.droplet.name}: {one.newest} was deployed since" for one in newer),
    )


def _stones(world: World, owner: str, spec: EnvironmentSpec) -> list[tuple[Host, Scope]]:
    """What is still to go, by the tombstones on our droplets."""
    return [
        (host, Scope(owner, spec, one.service, one.since, host.droplet.name, one.destroy))
        for host in world.hosts
        if naming.is_our_droplet(host.droplet.tags)
        for one in naming.tombstones(host.droplet.tags).values()
    ]


def idle_tombstones(world: World) -> dict[str, Tombstone]:
    """The tombstones that no droplet carries any more, by their tag."""
    return {tag: one for tag, one in naming.tombstones(world.tags).items() if not world.tags[tag]}


def _settled(host: Host, scope: Scope, newer: Collection[Departure] = ()) -> list[tuple[Droplet, str]]:
    """The tombstones of a droplet that are done with: nothing of what they stand for is there any more."""
    if any(one not in newer for one in _departures(host, scope)):
        return []
    return [
        (host.droplet, tag)
        for tag, one in naming.tombstones(host.droplet.tags).items()
        if scope.service in (None, one.service) and scope.destroy_empty >= one.destroy
    ]


def _meant(world: World, scope: Scope) -> list[Host]:
    """Our droplets that are meant."""
    hosts = [host for host in world.hosts if scope.droplet in (None, host.droplet.name)]
    ours = [host for host in hosts if naming.is_our_droplet(host.droplet.tags)]
    if scope.droplet and hosts and not ours:
        raise InvalidInput(
            f"The droplet {scope.droplet} was not made here, and is left alone.", hint="Choose one that was."
        )
    return ours


def _departures(host: Host, scope: Scope) -> list[Departure]:
    routes = host.routes or ()
    names = {one.name for one in host.containers} | {one.container for one in routes}
    found = []
    for name in sorted(filter(scope.takes, names)):
        releases = tuple(sorted((one.role, one.release) for one in host.all_of(name)))
        mine = [one for one in routes if one.container == name]
        newest = max([*(release for _, release in releases), *(one.release for one in mine)])
        found.append(Departure(host.droplet, name, tuple(sorted(one.host for one in mine)), releases, newest))
    return found


def _prunes(
    seen: Iterable[Host], departures: Iterable[Departure], destroyed: Sequence[Droplet]
) -> tuple[tuple[Droplet, int], ...]:
    """Where images are left without a user; what goes with its droplet needs no pruning."""
    leaving = {one.droplet.id for one in departures if one.releases}
    kept = [host for host in seen if host.droplet not in destroyed]
    counts = [(host.droplet, len(host.inventory.unused) if host.inventory else 0) for host in kept]
    return tuple((one, count) for one, count in counts if count or one.id in leaving)


def _staying(host: Host, departures: Iterable[Departure], scope: Scope | None = None) -> str:
    """Why a droplet is not empty afterwards; nothing when it is."""
    leaving = {one.container for one in departures if one.droplet == host.droplet}
    others = sorted({one.name for one in host.containers} - leaving)
    if others:
        return f"{', '.join(others)} is there"
    if host.inventory is None:
        return "its agent cannot say what else is there"
    if host.inventory.strangers:
        return f"containers are there that were not made here: {', '.join(host.inventory.strangers)}"
    volumes = [name for name in host.inventory.volumes if not (scope and scope.volume(name))]
    if volumes:
        return f"it holds the volumes {', '.join(volumes)}"
    if scope and scope.service and not leaving and scope.since - host.droplet.created_at < YOUNG:
        return "it is new: a deploy may be just making it"
    return ""


def _volumes(host: Host) -> tuple[str, ...]:
    return host.inventory.volumes if host.inventory else ()


def _pending(host: Host, scope: Scope) -> Pending:
    """What a droplet that does not answer is to carry: one tombstone a service, that wants all that was asked for."""
    asked = Tombstone(scope.service, scope.since, scope.destroy_empty)
    known = naming.tombstones(host.droplet.tags)
    reason = host.error or ""
    for old in known.values():
        if old.service in (None, asked.service) and old.destroy >= asked.destroy:
            return Pending(host.droplet, old, reason, placed=True)
    outdated = tuple(tag for tag, old in known.items() if old.service == asked.service)
    return Pending(host.droplet, asked, reason, placed=False, outdated=outdated)


def _end(world: World, spec: EnvironmentSpec, destroyed: Sequence[Droplet]) -> tuple[Firewall | None, tuple[str, ...]]:
    """The firewall and the tags that go with droplets, and with the last of them the environment's."""
    staying = [host.droplet for host in world.hosts if host.droplet not in destroyed]
    foreign = [one for one in staying if not naming.is_our_droplet(one.tags)]
    if foreign and len(foreign) == len(staying):
        tag = naming.environment_tag(spec)
        raise PermanentError(
            f"The droplet {foreign[0].name} carries the tag {tag}, but was not made here: {naming.environment(spec)} "
            "cannot be removed with its firewall.",
            hint="Take the tag off it in the control panel, or run this without destroying droplets.",
        )
    own = {tag for one in destroyed for tag in one.tags if _is_passing(tag) and _only(world, tag, destroyed)}
    idle = {tag for tag, count in world.tags.items() if not count and _is_passing(tag)}
    last = not staying and _only(world, naming.environment_tag(spec), destroyed)
    ending = {one for one in (naming.environment_tag(spec), naming.TAG) if last and _only(world, one, destroyed)}
    mine = [one for one in world.firewalls if naming.environment_tag(spec) in one.tags]
    return (mine[0] if last and mine else None), tuple(sorted((own | idle | ending) & world.tags.keys()))


def _only(world: World, tag: str, destroyed: Sequence[Droplet]) -> bool:
    """Whether nothing but these droplets carries the tag; a list of droplets that lags is found out by this."""
    return world.tags.get(tag, 0) <= sum(tag in one.tags for one in destroyed)


def _is_passing(tag: str) -> bool:
    """Whether a tag of ours goes with its droplet: an intent, a tombstone, a key's number, or whose place it took."""
    if naming.is_intent_tag(tag) or naming.is_roll_tag(tag) or key_tags.is_key_tag(tag):
        return True
    return naming.read_tombstone(tag) is not None


def _strangers(world: World, scope: Scope) -> Iterable[str]:
    """What bears our names without our mark."""
    for host in world.hosts:
        if not naming.is_our_droplet(host.droplet.tags):
            yield f"droplet {host.droplet.name}: it was not made here"
    for firewall in world.firewalls:
        if naming.environment_tag(scope.environment) not in firewall.tags:
            yield f"firewall {firewall.name}: it was not made here"
    for record in world.records:
        if not record.comment.startswith(f"{naming.TAG} "):
            yield f"{record.type} record {record.name} to {record.content}: it was not made here"


def _is_newer(release: str, since: datetime) -> bool:
    """Whether a release was named later than that; one that nobody can read counts as newer.

    Both are known to the second. In the same second the release was first: a deploy that comes after an undeploy
    waits for its lock.
    """
    try:
        return naming.released_at(release) > since
    except InvalidInput:
        return True
