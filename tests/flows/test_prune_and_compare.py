"""Snapshots that nobody needs go, one in use does not, and two are shown side by side."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from blocks.snapshot import Snapshot as SnapshotBlock
from fleet import naming
from fleet.errors import InvalidInput
from fleet.state import DropletRequest, Snapshot
from flows.compare_snapshots import compare_snapshots
from flows.prune_snapshots import prune_snapshots
from tests.flows.artifacts import latest
from tests.flows.fleet_of_fakes import Fleet

READY = naming.snapshot_tags("custom") | {naming.READY_TAG}


def add(fleet: Fleet, name: str, days: int, tags: frozenset[str] = READY) -> Snapshot:
    """A snapshot of an age."""
    cloud = fleet.cloud.snapshots
    made = cloud.add(name, tags=tags)
    cloud.all[made.id] = replace(made, created_at=datetime.now(UTC) - timedelta(days=days))
    return cloud.all[made.id]


def make_droplet(fleet: Fleet, image: str) -> None:
    """A droplet that is somebody else's."""
    fleet.cloud.droplets.ensure(DropletRequest("theirs", "fra1", "s-1vcpu-1gb", image, frozenset(), "x", "{}"))


def names(fleet: Fleet) -> set[str]:
    """What is there."""
    return {one.name for one in fleet.cloud.snapshots.all.values()}


def test_what_nobody_needs_goes_and_the_saving_is_told(fleet: Fleet) -> None:
    for days in range(1, 6):
        add(fleet, f"day-{days}", days)
    add(fleet, "theirs", 900, frozenset())
    make_droplet(fleet, next(one.id for one in fleet.cloud.snapshots.all.values() if one.name == "day-5"))
    prune_snapshots(fleet.environment(), keep_last=2)
    assert names(fleet) == {"demo-base", "day-1", "day-2", "day-5", "theirs"}
    page = latest("prune-snapshots")
    assert "2 of 6 deleted: $0.29 a month less." in page
    assert "| day-5 | ready | stays | theirs made from it |" in page
    assert "| demo-base | ready | stays | default of demo-prod |" in page
    before = fleet.changes
    prune_snapshots(fleet.environment(), keep_last=2)
    assert fleet.changes == before, "the second time there is nothing left to do"


def test_a_plan_deletes_nothing(fleet: Fleet) -> None:
    add(fleet, "day-1", 1)
    add(fleet, "day-2", 2)
    prune_snapshots(fleet.environment(), keep_last=1, plan_only=True)
    assert names(fleet) == {"demo-base", "day-1", "day-2"}
    assert "1 of 3 would go: $0.14 a month less." in latest("prune-snapshots")


def test_one_in_use_is_refused_by_its_name(fleet: Fleet) -> None:
    old = add(fleet, "old", 90)
    make_droplet(fleet, old.id)
    with pytest.raises(InvalidInput, match="The snapshot old is in use: theirs made from it"):
        prune_snapshots(fleet.environment(), snapshot=SnapshotBlock.of(old))
    with pytest.raises(InvalidInput, match="demo-base is in use: default of demo-prod"):
        prune_snapshots(fleet.environment(), snapshot=SnapshotBlock.of(fleet.snapshot))
    assert "old" in names(fleet)


def test_one_that_is_named_goes_alone(fleet: Fleet) -> None:
    one, _ = add(fleet, "one", 1), add(fleet, "two", 2)
    prune_snapshots(fleet.environment(), keep_last=1, snapshot=SnapshotBlock.of(one))
    assert names(fleet) == {"demo-base", "two"}


def test_one_that_comes_into_use_meanwhile_stays(fleet: Fleet) -> None:
    add(fleet, "new", 1)
    old = add(fleet, "old", 2)
    looks: list[str] = []

    def watch(call: str) -> None:
        if call == "droplets.read_all":
            looks.append(call)
            if len(looks) == 2:
                make_droplet(fleet, old.id)

    fleet.cloud.faults.watch = watch
    prune_snapshots(fleet.environment(), keep_last=1)
    assert "old" in names(fleet)
    assert "in use by now" in latest("prune-snapshots")


@pytest.mark.parametrize("keep_last", [0, 101])
def test_how_many_stay_is_bounded(fleet: Fleet, keep_last: int) -> None:
    with pytest.raises(InvalidInput, match="Keep 1 to 100"):
        prune_snapshots(fleet.environment(), keep_last=keep_last)


def block(seen: Snapshot, **changes: Any) -> SnapshotBlock:
    """Its block, with what this server knows of it."""
    return SnapshotBlock.of(seen).model_copy(update=changes)


def test_two_snapshots_are_shown_side_by_side(fleet: Fleet) -> None:
    one, two = add(fleet, "one", 2), add(fleet, "two", 1)
    before, after = {"nginx": "1.22", "curl": "7"}, {"nginx": "1.23", "jq": "1.6"}
    compare_snapshots(fleet.environment(), block(one, packages=before), block(two, packages=after))
    page = latest("compare-one-two")
    assert "| nginx | 1.22 | 1.23 |" in page
    assert "| jq |  | 1.6 |" in page
    assert "| curl | 7 |  |" in page
    assert "| age | 2 days | 1 day |" in page


def test_packages_that_this_server_does_not_know_are_asked_of_a_droplet_which_goes(fleet: Fleet) -> None:
    one, two = add(fleet, "one", 2), add(fleet, "two", 1)
    compare_snapshots(fleet.environment(), block(one), block(two, packages={"nginx": "1.22.1"}))
    assert "## 1 packages removed" in latest("compare-one-two")
    assert fleet.droplets.all == {}
    assert fleet.cloud.firewalls.all == {}


def test_a_snapshot_is_not_compared_with_itself_or_with_one_that_is_gone(fleet: Fleet) -> None:
    one, two = add(fleet, "one", 2), add(fleet, "two", 1)
    with pytest.raises(InvalidInput, match="Both are the same snapshot"):
        compare_snapshots(fleet.environment(), block(one), block(one))
    fleet.cloud.snapshots.remove(two.id)
    with pytest.raises(InvalidInput, match="The snapshot two is gone"):
        compare_snapshots(fleet.environment(), block(one), block(two))
