"""Which agents are replaced, and in which order."""

from __future__ import annotations

from dataclasses import replace

from fleet.upgrades import AgentSeen, plan_upgrade
from tests.unit.fleet.worlds import droplet

WHEEL = "sha256:new"


def seen(number: int, wheel: str = "sha256:old", **changes: object) -> AgentSeen:
    """The agent of a droplet."""
    one = AgentSeen(replace(droplet(f"{number}"), name=f"demo-prod-{number}"), version="1.0", wheel=wheel)
    return replace(one, **changes)  # type: ignore[arg-type]  # fields of the very class


def test_one_droplet_goes_first_and_the_rest_follow_in_the_order_of_their_names() -> None:
    plan = plan_upgrade([seen(3), seen(1), seen(2)], "2.0", WHEEL)
    assert plan.lines() == [
        "demo-prod-1: 1.0 → 2.0, first",
        "demo-prod-2: 1.0 → 2.0",
        "demo-prod-3: 1.0 → 2.0",
    ]


def test_where_every_agent_has_the_wheel_there_is_nothing_to_do() -> None:
    plan = plan_upgrade([seen(1, WHEEL), seen(2, WHEEL)], "2.0", WHEEL)
    assert plan.at_rest
    assert plan.lines() == ["demo-prod-1: has 1.0 already", "demo-prod-2: has 1.0 already"]


def test_the_same_version_from_another_wheel_is_another_version() -> None:
    assert not plan_upgrade([seen(1)], "1.0", WHEEL).at_rest


def test_an_upgrade_that_was_begun_is_gone_on_with_first() -> None:
    plan = plan_upgrade([seen(1), seen(2, WHEEL, under_way=True)], "2.0", WHEEL)
    assert [one.droplet.name for one in (*plan.first, *plan.rest)] == ["demo-prod-2", "demo-prod-1"]


def test_a_droplet_that_does_not_say_is_left_alone_and_named() -> None:
    plan = plan_upgrade([seen(1, error="the agent did not answer"), seen(2)], "2.0", WHEEL)
    assert [one.droplet.name for one in plan.first] == ["demo-prod-2"]
    assert plan.lines()[-1] == "demo-prod-1: left alone: the agent did not answer"
