"""Which snapshots may go, and what tells two apart."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet import lineage, naming
from fleet.errors import InvalidInput
from fleet.pruning import Use, compare, plan_prune, plan_remove, use_of
from fleet.state import Droplet, Snapshot

NOW = datetime(2026, 11, 26, tzinfo=UTC)
NOBODY = Use({}, {})
STATES = {"ready": {naming.READY_TAG}, "rejected": {naming.REJECTED_TAG}, "unproven": set[str]()}


def snapshot(number: int, days: float = 0, kind: str = "base", state: str = "ready") -> Snapshot:
    tags = frozenset() if state == "foreign" else naming.snapshot_tags(kind) | STATES[state]
    return Snapshot(str(number), f"s{number}", ("fra1",), 25, 2.0, NOW - timedelta(days=days), tags)


def going(snapshots: list[Snapshot], use: Use = NOBODY, keep_last: int = 1) -> set[str]:
    return {fate.snapshot.name for fate in plan_prune(snapshots, use, keep_last, NOW) if fate.goes}


def test_the_last_ready_ones_of_each_kind_stay() -> None:
    bases = [snapshot(number, days=number) for number in (1, 2, 3)]
    customs = [snapshot(number, days=number, kind="custom") for number in (4, 5)]
    assert going([*bases, *customs]) == {"s2", "s3", "s5"}
    assert going([*bases, *customs], keep_last=2) == {"s3"}


def test_what_a_droplet_was_made_from_and_what_is_a_default_stays_with_the_reason() -> None:
    old = [snapshot(number, days=number) for number in (1, 2, 3)]
    use = Use({"2": ("web-1", "web-2")}, {"3": ("demo-prod",)})
    fates = {fate.snapshot.name: fate for fate in plan_prune(old, use, 1, NOW)}
    assert [fates[name].goes for name in ("s1", "s2", "s3")] == [False, False, False]
    assert fates["s2"].reason == "web-1, web-2 made from it"
    assert fates["s3"].reason == "default of demo-prod"


def test_what_is_not_ready_goes_unless_a_run_may_be_making_it() -> None:
    bad, young = snapshot(1, state="rejected"), snapshot(2, days=0.1, state="unproven")
    old = snapshot(3, days=1, state="unproven")
    assert going([bad, young, old], keep_last=9) == {"s1", "s3"}


def test_a_rejected_one_takes_no_place_among_the_last() -> None:
    assert going([snapshot(1, days=1, state="rejected"), snapshot(2, days=2)]) == {"s1"}


@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.sampled_from(["base", "custom"]), st.sampled_from([*STATES, "foreign"]))
    ),
    st.sets(st.integers(0, 9)),
    st.integers(1, 5),
)
def test_whatever_there_is_nothing_in_use_and_nothing_foreign_goes(
    given_ones: list[tuple[int, str, str]], used: set[int], keep_last: int
) -> None:
    made = [snapshot(number, days, kind, state) for number, (days, kind, state) in enumerate(given_ones)]
    gone = going(made, Use({str(number): ("web",) for number in used}, {}), keep_last)
    assert not gone & {f"s{number}" for number in used}
    assert not gone & {one.name for one in made if naming.snapshot_state(one.tags) == "foreign"}
    for kind in ("base", "custom"):
        ready = [one for one in made if naming.snapshot_kind(one.tags) == kind and naming.READY_TAG in one.tags]
        assert len([one for one in ready if one.name not in gone]) >= min(keep_last, len(ready))


def test_one_in_use_or_foreign_is_refused_when_it_is_named() -> None:
    with pytest.raises(InvalidInput, match="s1 is in use: web-1 made from it; default of demo-prod"):
        plan_remove(snapshot(1), Use({"1": ("web-1",)}, {"1": ("demo-prod",)}))
    with pytest.raises(InvalidInput, match="was not made here"):
        plan_remove(snapshot(1, state="foreign"), NOBODY)
    assert plan_remove(snapshot(1), NOBODY).goes


def test_cost_is_six_cents_a_gigabyte_and_month() -> None:
    assert plan_remove(snapshot(1), NOBODY).dollars == pytest.approx(0.12)


def test_use_names_every_droplet_and_environment() -> None:
    def droplet(name: str, image: str) -> Droplet:
        return Droplet(1, name, "active", "fra1", "s", image, frozenset(), None, None, NOW)

    use = use_of([droplet("b", "7"), droplet("a", "7"), droplet("c", "8")], {"demo-prod": "7", "demo-dev": "9"})
    assert use.droplets == {"7": ("a", "b"), "8": ("c",)}
    assert use.defaults == {"7": ("demo-prod",), "9": ("demo-dev",)}


def test_two_snapshots_differ_by_packages_agent_image_and_parent() -> None:
    before, after = (
        replace(snapshot(number), description=lineage.write(lineage.Lineage("p", agent, f"sha256:{number}")))
        for number, agent in ((1, "0.1.0"), (2, "0.2.0"))
    )
    found = compare(before, after, {"a": "1", "b": "1", "c": "1"}, {"a": "1", "b": "2", "d": "1"})
    assert (found.added, found.removed, found.changed) == ({"d": "1"}, {"c": "1"}, {"b": ("1", "2")})
    assert found.facts == {"agent": ("0.1.0", "0.2.0"), "base image": ("sha256:1", "sha256:2")}
    assert compare(before, before, {"a": "1"}, {"a": "1"}).is_nothing
