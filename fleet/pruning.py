"""Which snapshots may go, which stay, and why; and what tells two of them apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fleet import lineage, naming
from fleet.errors import InvalidInput
from fleet.state import Droplet, Snapshot

DOLLARS_PER_GIGABYTE = 0.06
"""What DigitalOcean asks for a gigabyte of snapshots in a month."""
MAKING = timedelta(hours=3)
"""A snapshot younger than this that is not ready may be one that a run is making."""


@dataclass(frozen=True)
class Use:
    """Who needs which snapshots, by their ids."""

    droplets: Mapping[str, tuple[str, ...]]
    """Names of the droplets that were made from it, whoever's they are."""
    defaults: Mapping[str, tuple[str, ...]]
    """The environments whose default it is."""

    def of(self, snapshot: Snapshot) -> str:
        """Why it is needed; empty: it is not."""
        droplets, defaults = self.droplets.get(snapshot.id, ()), self.defaults.get(snapshot.id, ())
        reasons = [f"{', '.join(droplets)} made from it"] if droplets else []
        return "; ".join([*reasons, *(f"default of {name}" for name in defaults)])


@dataclass(frozen=True)
class Fate:
    """What becomes of a snapshot, and why."""

    snapshot: Snapshot
    goes: bool
    reason: str

    @property
    def dollars(self) -> float:
        """What it costs a month."""
        return self.snapshot.size_gigabytes * DOLLARS_PER_GIGABYTE


def use_of(droplets: Sequence[Droplet], defaults: Mapping[str, str]) -> Use:
    """What is needed by these droplets, and as the default (a snapshot's id) of these environments."""
    made = {one.image: tuple(sorted(each.name for each in droplets if each.image == one.image)) for one in droplets}
    chosen = {id: tuple(sorted(name for name, other in defaults.items() if other == id)) for id in defaults.values()}
    return Use(made, chosen)


def plan_prune(snapshots: Sequence[Snapshot], use: Use, keep_last: int, now: datetime) -> tuple[Fate, ...]:
    """What becomes of each snapshot of ours, newest first: the last `keep_last` ready ones of each kind stay."""
    ours = [one for one in snapshots if naming.snapshot_state(one.tags) != "foreign"]
    newest = sorted(ours, key=lambda one: (one.created_at, one.id), reverse=True)
    return tuple(Fate(one, *_fate(one, newest, use, keep_last, now)) for one in newest)


def _fate(one: Snapshot, newest: Sequence[Snapshot], use: Use, keep_last: int, now: datetime) -> tuple[bool, str]:
    state, kind = naming.snapshot_state(one.tags), naming.snapshot_kind(one.tags)
    if needed := use.of(one):
        return False, needed
    if state == "ready":
        alike = [each for each in newest if naming.snapshot_kind(each.tags) == kind and _is_ready(each)]
        return (False, f"one of the last {keep_last}") if one in alike[:keep_last] else (True, "nobody uses it")
    if state == "unproven" and now - one.created_at < MAKING:
        return False, "a run may be making it"
    return True, f"{state}: it is never offered"


def plan_remove(snapshot: Snapshot, use: Use) -> Fate:
    """The end of one snapshot that a person named.

    Raises:
        InvalidInput: it is not ours, or somebody needs it.
    """
    if naming.snapshot_state(snapshot.tags) == "foreign":
        raise InvalidInput(f"The snapshot {snapshot.name} was not made here.", hint="Delete it in the control panel.")
    if needed := use.of(snapshot):
        raise InvalidInput(
            f"The snapshot {snapshot.name} is in use: {needed}.",
            hint="Move what uses it to another snapshot, or choose another default, then run this again.",
        )
    return Fate(snapshot, True, "asked for")


def _is_ready(one: Snapshot) -> bool:
    return naming.snapshot_state(one.tags) == "ready"


@dataclass(frozen=True)
class Difference:
    """What tells one snapshot from another."""

    added: Mapping[str, str]
    removed: Mapping[str, str]
    changed: Mapping[str, tuple[str, str]]
    """Versions before and after, by package."""
    facts: Mapping[str, tuple[str, str]]
    """Agent, base image and parent, before and after, where they differ."""

    @property
    def is_nothing(self) -> bool:
        """Whether they hold the same."""
        return not (self.added or self.removed or self.changed or self.facts)


def compare(
    before: Snapshot, after: Snapshot, packages_before: Mapping[str, str], packages_after: Mapping[str, str]
) -> Difference:
    """What is different in the second one."""
    both = packages_before.keys() & packages_after.keys()
    known = lineage.read(before.description), lineage.read(after.description)
    facts = {
        "agent": (known[0].agent, known[1].agent),
        "base image": (known[0].image, known[1].image),
        "parent": (known[0].parent, known[1].parent),
    }
    return Difference(
        added={name: packages_after[name] for name in sorted(packages_after.keys() - both)},
        removed={name: packages_before[name] for name in sorted(packages_before.keys() - both)},
        changed={
            name: (packages_before[name], packages_after[name])
            for name in sorted(both)
            if packages_before[name] != packages_after[name]
        },
        facts={name: pair for name, pair in facts.items() if pair[0] != pair[1]},
    )
