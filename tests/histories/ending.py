"""A whole life of an environment: its history, and the end that every history comes to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from fleet import naming
from tests.histories.lane import Lane
from tests.histories.life import KINDS, SERVICES, Life
from tests.histories.operations import Deploy, Finish, ForeignGone, Operation, Undeploy, Wait
from tests.histories.view import current, places, records

MEMORY = Path("/dev/shm")  # noqa: S108 - the folder in it has a name of its own, and is private
"""Where files need no disk."""


def live(lane: Lane, history: list[Operation]) -> None:
    """A whole life: the history, then everything is well again, is deployed once more, and goes."""
    with begin(lane) as life:
        for operation in history:
            operation.happen(life)
        end(life)


@contextmanager
def begin(lane: Lane) -> Iterator[Life]:
    """An environment that is new, for as long as the block lasts."""
    folder = Path(mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
    try:
        with lane.open(folder):
            yield Life(lane)
    finally:
        rmtree(folder, ignore_errors=True)


def end(life: Life) -> None:
    """What every history comes to."""
    for one in places(life.fleet):
        one.machine.wake()
    for operation in (ForeignGone(), Wait(11), Finish(again=True)):
        operation.happen(life)
    for name in SERVICES:
        if wanted := life.wanted.get(name):
            Deploy(wanted, again=True).happen(life)
    _check_peers(life)
    Wait(11).happen(life)
    for name in life.wanted:
        volumes = tuple(one["name"] for one in KINDS.get(name, {}).get("volumes", ()))
        Undeploy(name, destroy=True, again=True, volumes=volumes).happen(life)
    Finish(again=True).happen(life)
    assert [one.droplet.name for one in places(life.fleet)] == []
    assert records(life.fleet) == []
    assert [one for one in life.fleet.cloud.firewalls.all.values() if naming.is_our_firewall(one.tags)] == []
    assert set(life.fleet.cloud.tags.all) - {"web"} == set(life.fleet.snapshot.tags)


def _check_peers(life: Life) -> None:
    """Every droplet reaches the tcp service where it runs."""
    runs = {("cache", one) for one in current(life.fleet, "cache")}
    for place in places(life.fleet):
        seen = {(one.service, one.droplet) for one in place.machine.table.read().peers}
        assert seen == runs, f"{place.droplet.name} knows {seen}; it is {runs}"
