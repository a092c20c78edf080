"""Which droplet of an environment says first that no health round comes any more. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from fleet.state import Droplet


def turns(droplets: Iterable[Droplet]) -> dict[str, tuple[Droplet, ...]]:
    """For each droplet, by name, those that speak before it: the ones with a lower name that it can reach."""
    ordered = sorted(droplets, key=lambda one: one.name)
    return {
        one.name: tuple(other for other in ordered[:number] if other.private_address)
        for number, one in enumerate(ordered)
    }
