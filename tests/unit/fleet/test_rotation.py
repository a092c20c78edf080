"""Which droplets get another key, and what their tags say of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet import key_tags
from fleet.errors import InvalidInput
from fleet.rotation import KeySeen, plan_rotation
from tests.unit.fleet.worlds import droplet

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def seen(
    name: str, number: int = 1, age: timedelta = HOUR * 2, tags: frozenset[str] = frozenset(), **said: object
) -> KeySeen:
    """The key of a droplet."""
    made = KeySeen(replace(droplet("a"), name=name, tags=tags), number, since=NOW - age)
    return replace(made, **said)  # type: ignore[arg-type]


def goals(*keys: KeySeen, names: tuple[str, ...] = ()) -> dict[str, int]:
    """The number that each key is to have, in the order of the plan."""
    plan = plan_rotation(keys, names, HOUR, NOW)
    return {one.seen.droplet.name: one.goal for one in [*plan.first, *plan.rest]}


def test_an_old_key_gets_the_next_number_and_a_young_one_stays() -> None:
    young = seen("b", 4, HOUR / 2, frozenset({"deployer-key:4"}))
    assert goals(seen("a", 3), young) == {"a": 4}


def test_one_droplet_goes_first() -> None:
    plan = plan_rotation([seen("b"), seen("a"), seen("c")], (), HOUR, NOW)
    assert [one.seen.droplet.name for one in plan.first] == ["a"]
    assert [one.seen.droplet.name for one in plan.rest] == ["b", "c"]


def test_what_was_begun_comes_first_and_is_only_finished_if_it_is_young() -> None:
    begun = seen("z", 2, HOUR / 2, frozenset({"deployer-key:1", "deployer-key:2"}), turning=True)
    left = seen("y", 2, HOUR / 2, frozenset({"deployer-key:1", "deployer-key:2"}))
    assert list(goals(seen("a"), begun, left).items()) == [("y", 2), ("z", 2), ("a", 2)]


def test_a_key_from_the_former_token_is_turned_however_young_it_is() -> None:
    assert goals(seen("a", 1, HOUR / 60, current=False)) == {"a": 2}


def test_a_droplet_that_did_not_say_is_pending_and_nothing_is_done_to_it() -> None:
    plan = plan_rotation([seen("a", error="it is away")], (), HOUR, NOW)
    assert (plan.first, plan.rest, [one.droplet.name for one in plan.silent]) == ((), (), ["a"])
    assert plan.lines() == ["a: pending: it is away"]


def test_only_those_that_are_named_are_meant() -> None:
    assert goals(seen("a"), seen("b"), names=("b",)) == {"b": 2}
    with pytest.raises(InvalidInput, match=r"no droplet c\. It has: a, b\."):
        goals(seen("a"), seen("b"), names=("b", "c"))


@given(st.sets(st.integers(1, 999_999), min_size=1, max_size=5))
def test_tags_tell_the_numbers_newest_first(numbers: set[int]) -> None:
    tags = {*map(key_tags.key_tag, numbers), "deployer", "deployer-key:", "deployer-key:0", "deployer-key:x", "op:1"}
    assert key_tags.key_numbers(tags) == tuple(sorted(numbers, reverse=True))


def test_a_droplet_without_such_a_tag_has_its_first_key() -> None:
    assert key_tags.key_numbers({"deployer", "deployer-roll:12"}) == (1,)
