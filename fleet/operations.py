"""What a plan does, in lines for people: the parts of a plan, told in the order in which they are carried out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from fleet import sources
from fleet.firewalls import FirewallPlan
from fleet.records import RecordPlan
from fleet.spec import Maintenance, ServiceSpec
from fleet.state import Droplet, DropletRequest, Record, Weight

Part = Literal["droplet", "firewall", "image", "container", "route", "record"]
NEW = "the new release"
MIB = 1 << 20


@dataclass(frozen=True)
class Operation:
    """One thing that is done, or that stays as it is."""

    part: Part
    text: str
    changes: bool = True
    """Whether it touches anything."""
    note: str = ""
    """What is shown beside it, without being a part of what is approved."""

    @property
    def told(self) -> str:
        """In a line, with what is shown beside it."""
        return f"{self.text} ({self.note})" if self.note else self.text

    def __str__(self) -> str:
        """In a line."""
        return self.text


@dataclass(frozen=True)
class Targets:
    """The droplets of a plan, by what becomes of the service there; `current` has what serves there now."""

    create: Sequence[DropletRequest]
    keep: Sequence[Droplet]
    drain: Sequence[Droplet]
    destroy: Sequence[Droplet]
    current: Mapping[str, str]
    leaving: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The older releases that a new one makes too many, by droplet."""

    @property
    def names(self) -> list[str]:
        """Those that the release comes to, first the one that the image is made on."""
        return [*(one.name for one in self.keep), *(one.name for one in self.create)]

    def now(self, droplet: str) -> str:
        """What serves there, in words."""
        release = self.current.get(droplet)
        return f"serves release {release}" if release else "does not serve it yet"


def droplets(targets: Targets, service: ServiceSpec) -> Iterator[Operation]:
    """Droplets made, used, left and destroyed."""
    for new in targets.create:
        yield Operation("droplet", f"create droplet {new.name} ({new.size} in {new.region}, from {new.image})")
    for old in targets.keep:
        yield Operation("droplet", f"use droplet {old.name} ({targets.now(old.name)})", changes=False)
    for one in targets.drain:
        asked = f"{service.replicas} {'is' if service.replicas == 1 else 'are'} asked for"
        yield Operation("droplet", f"drain {service.name} away from {one.name} ({targets.now(one.name)}): {asked}")
    for one in targets.destroy:
        yield Operation("droplet", f"destroy droplet {one.name} once nothing is left on it")


def firewall(plan: FirewallPlan) -> Operation:
    """The firewall made, changed or left as it is."""
    rules = "; ".join(f"{rule.ports} from {', '.join([*rule.addresses, *rule.tags])}" for rule in plan.inbound)
    if plan.verb == "keep":
        return Operation("firewall", f"firewall {plan.name} is as it should be", changes=False)
    return Operation("firewall", f"{plan.verb} firewall {plan.name}: {rules}")


def image(targets: Targets, source: sources.Source, weight: Weight | None) -> Iterator[Operation]:
    """Where the image is made, and where it goes from there."""
    first, *others = targets.names
    weigh = partial(_weighed, targets, source, weight)
    match source:
        case sources.ImageSource(reference):
            yield Operation("image", f"pull {reference} on {first}")
        case sources.ControllerSource(reference):
            yield Operation("image", f"send {reference} from the controller to {first}", note=weigh([first]))
        case _:
            where = first if source.build_on == "droplet" else "the controller"
            yield Operation("image", f"build {_origin(source)} on {where}")
            if where != first:
                yield Operation("image", f"send the missing layers to {first}", note=weigh([first]))
    if others:
        yield Operation("image", f"send the missing layers to {', '.join(others)}", note=weigh(others))


def _weighed(targets: Targets, source: sources.Source, weight: Weight | None, names: Sequence[str]) -> str:
    """How much goes to each of these droplets, or when that is known."""
    if weight is None:
        return f"how much is known after the {'pull' if isinstance(source, sources.ImageSource) else 'build'}"
    sizes = {one.name: weight.whole for one in targets.create} | dict(weight.lacking)
    return ", ".join(f"{_mib(sizes[name]) if name in sizes else 'not known'} to {name}" for name in names)


def _mib(size: int) -> str:
    return f"{max(size / MIB, 0.1):.1f} MiB" if size else "nothing"


def containers(targets: Targets, name: str) -> Iterator[Operation]:
    """Candidates proven, then promoted, then what was there before retired."""
    for one in targets.names:
        beside = f", beside {targets.current[one]}" if one in targets.current else ""
        yield Operation("container", f"prepare {NEW} on {one}{beside}")
    for one in targets.names:
        yield Operation("container", f"promote {NEW} on {one}, once it is healthy on every droplet")
    for one in targets.names:
        if one in targets.current:
            yield Operation("container", f"retire {targets.current[one]} on {one}, and keep it for a rollback")
        for release in targets.leaving.get(one, ()):
            yield Operation("container", f"remove {release}, the oldest, from {one} if the new release is another")
    for old in targets.drain:
        yield Operation("container", f"remove {name} from {old.name}, once its last request has ended")


def back(current: Mapping[str, str], release: str) -> Iterator[Operation]:
    """A release that was kept made current again."""
    for droplet, now in sorted(current.items()):
        text = f"go back to {release} on {droplet}, from {now}"
        stays = now == release
        yield Operation("container", f"{release} serves on {droplet} already" if stays else text, changes=not stays)


def strays(candidates: Mapping[Droplet, str]) -> Iterator[Operation]:
    """Candidates removed that a change which was cut off has left where the service never served."""
    for droplet, release in candidates.items():
        yield Operation("container", f"remove the candidate {release} from {droplet.name}, which never served it")


def routes(targets: Targets, domains: Sequence[str]) -> Iterator[Operation]:
    """Names that each droplet's nginx serves."""
    for one in targets.names:
        old = f", from {targets.current[one]}" if one in targets.current else ""
        yield from (Operation("route", f"route {domain} on {one} to {NEW}{old}") for domain in domains)
    for left in targets.drain:
        yield Operation("route", f"remove all routes of the service from {left.name}")


def page(shown: Maintenance | None, everywhere: bool) -> Iterator[Operation]:
    """The maintenance page, which stays until somebody switches it off."""
    if shown:
        yield Operation("route", f"keep the {shown} in front of it on every droplet", changes=not everywhere)


def records(plan: RecordPlan) -> Iterator[Operation]:
    """DNS records that stay, come and go."""
    for kept in plan.keep:
        grey = "" if kept.proxied else ", which is not proxied: the firewall lets in the edge alone"
        yield Operation("record", f"keep A record {kept.name} to {kept.content}{grey}", changes=False)
    for new in plan.add:
        to = f"{new.address} ({new.droplet})" if new.address else f"the address of {new.droplet}"
        yield Operation("record", f"add A record {new.name} to {to}")
    for old in plan.drop:
        yield Operation("record", f"remove {_named(old)}: the service gives the name up")
    for old in plan.stale:
        yield Operation("record", f"remove {_named(old)}: it is out of use")
    for old in plan.left:
        yield Operation("record", f"remove {_named(old)}: the service leaves that droplet")


def _named(record: Record) -> str:
    return f"{record.type} record {record.name} to {record.content}"


def _origin(source: sources.Built) -> str:
    match source:
        case sources.BuildSource(context):
            return context
        case sources.ArchiveSource(path, folder):
            return f"{path}:{folder}" if folder else path
        case sources.GitSource(url, revision):
            return f"{url} at {revision}"
