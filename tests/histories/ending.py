"""A whole life of an environment: its history, and the end that every history comes to."""

from __future__ import annotations

from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from fleet import naming
from tests.histories.lane import Lane
from tests.histories.life import Life
from tests.histories.operations import SERVICES, Deploy, Finish, ForeignGone, Operation, Undeploy, Wait
from tests.histories.view import places, records

MEMORY = Path("/dev/shm")  # noqa: S108 - the folder in it has a name of its own, and is private
"""Where files need no disk."""


def live(lane: Lane, history: list[Operation]) -> None:
    """A whole life: the history, then everything is well again, is deployed once more, and goes."""
    folder = Path(mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
    try:
        with lane.open(folder):
            life = Life(lane)
            for operation in history:
                operation.happen(life)
            end(life)
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
    Wait(11).happen(life)
    for name in life.wanted:
        Undeploy(name, destroy=True, again=True).happen(life)
    Finish(again=True).happen(life)
    assert [one.droplet.name for one in places(life.fleet)] == []
    assert records(life.fleet) == []
    assert [one for one in life.fleet.cloud.firewalls.all.values() if naming.is_our_firewall(one.tags)] == []
    assert set(life.fleet.cloud.tags.all) - {"web"} == set(life.fleet.snapshot.tags)
