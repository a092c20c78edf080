"""Workbenches at which nobody works any more: droplets that a killed build of a snapshot left, and that cost. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from fleet import naming
from fleet.state import Droplet

KEPT_TAG: Final = f"{naming.BAKE_TAG}-kept"
"""On those that somebody asked to keep for a look."""
LEFT_TAG: Final = f"{naming.BAKE_TAG}-left"
"""On those that people were told of."""
OLD: Final = timedelta(hours=3)
"""No build works for so long at one bench."""


@dataclass(frozen=True)
class Left:
    """What is left of one build."""

    purpose: str
    """As in the tag: environment, snapshot, and perhaps `probe`."""
    droplets: tuple[Droplet, ...]

    @property
    def told(self) -> bool:
        """Whether people were told of all of it."""
        return all(LEFT_TAG in one.tags for one in self.droplets)

    @property
    def subject(self) -> str:
        """What it is called to people."""
        return f"the workbench of {self.purpose} ({', '.join(one.name for one in self.droplets)})"


def purpose(tags: Iterable[str]) -> str:
    """What a droplet with these tags is a bench for; empty: none."""
    return next((tag.partition(":")[2] for tag in tags if tag.startswith(f"{naming.BAKE_TAG}:")), "")


def snapshot(purpose: str) -> str:
    """The name of the snapshot that a bench is for."""
    return purpose.split(":")[1] if ":" in purpose else ""


def left_over(droplets: Iterable[Droplet], environment: str, building: Collection[str], now: datetime) -> list[Left]:
    """What builds of this environment have left.

    Never a stranger's droplet, one that was kept on request, or one of a build that may still be at work: it runs, or
    one of its droplets is young.

    Args:
        droplets: all that carry `naming.BAKE_TAG`.
        environment: its title.
        building: the names of the snapshots that runs are building now.
        now: with a zone.
    """
    ours = sorted((one for one in droplets if naming.is_our_droplet(one.tags)), key=lambda one: purpose(one.tags))
    found = [Left(what, tuple(some)) for what, some in groupby(ours, lambda one: purpose(one.tags))]
    return [
        one
        for one in found
        if one.purpose.startswith(f"{environment}:")
        and snapshot(one.purpose) not in building
        and all(now - seen.created_at > OLD and KEPT_TAG not in seen.tags for seen in one.droplets)
    ]
