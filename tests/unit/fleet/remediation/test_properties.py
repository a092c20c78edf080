"""What every history keeps, whatever is seen in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.remediation import documents, limits
from fleet.remediation.advance import Word
from fleet.remediation.budgets import in_flight_limit
from fleet.remediation.decide import decide
from fleet.remediation.gates import breaker, self_test_failures
from fleet.remediation.moments import Moment
from fleet.remediation.observations import Calls, Observation, alive, dead
from fleet.remediation.rounds import Deliberation
from fleet.remediation.state import Lease, Pause, State
from tests.unit.fleet.remediation import generated
from tests.unit.fleet.remediation.generated import NOW, Stretch, histories
from tests.unit.fleet.remediation.scenes import BLIND, HELLO, SEES, Scene

pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")
"""Prefect's threads, when another test has started them, use it while Hypothesis draws."""
sizes = st.sampled_from([3, 9, 40])


def live(history: Sequence[Stretch], size: int) -> Scene:
    """A fleet that has lived through a history."""
    scene = Scene(size)
    scene.look()
    for stretch in history:
        if stretch.restarts:
            scene.restart()
        scene.self_test = BLIND if stretch.blind else SEES
        scene.calls = Calls(10 if stretch.incident else 0, 10)
        scene.pauses = (Pause("everything"),) if stretch.paused else ()
        scene.leases = (Lease(HELLO, "deploy/amber-fox"),) if stretch.leased else ()
        for _ in range(stretch.rounds):
            scene.look(stretch.droplets, stretch.services, stretch.seconds)
            for made in scene.last if stretch.told else ():
                if made.decision.acts:
                    scene.tell(made, cast(Word, stretch.told))
    return scene


def acts(scene: Scene, *actions: str) -> list[Deliberation]:
    """Everything that was done, of these kinds."""
    return [made for made in scene.made if made.decision.acts and (not actions or made.decision.action in actions)]


def most(moments: Sequence[Moment], window: float) -> int:
    """The most that fall into any window of this length."""
    ends = sorted(at.monotonic for at in moments)
    return max((sum(first <= at <= first + window for at in ends) for first in ends), default=0)


@given(histories, sizes)
def test_no_budget_is_ever_exceeded_also_across_restarts_of_the_controller(history: list[Stretch], size: int) -> None:
    scene = live(history, size)
    replaced = [made.at for made in acts(scene, "replace")]
    assert most(replaced, limits.HOUR) <= limits.REPLACEMENTS_AN_HOUR
    assert most(replaced, limits.DAY) <= limits.REPLACEMENTS_A_DAY
    own: dict[tuple[str, str], list[Moment]] = defaultdict(list)
    for made in acts(scene):
        own[made.decision.target.key, made.decision.action].append(made.at)
    windows = {
        "restart": (limits.RESTARTS, limits.RESTART_WINDOW),
        "recreate": (1, limits.HOUR),
        "power-cycle": (1, limits.DAY),
        "replace": (1, limits.DAY),
        "remove from DNS": (3, limits.DNS_WINDOW),
    }
    for (_, action), moments in own.items():
        limit, window = windows.get(action, (len(moments), limits.DAY))
        assert most(moments, window) <= limit


@given(histories, sizes)
def test_no_more_than_a_few_droplets_are_worked_on_at_once(history: list[Stretch], size: int) -> None:
    scene = live(history, size)
    for made in acts(scene, "power-cycle", "replace"):
        running = [one for one in made.state.fleet.interventions if one.runs(made.at)]
        assert len(running) < in_flight_limit(size)


@given(histories, sizes)
def test_unknown_is_never_acted_on(history: list[Stretch], size: int) -> None:
    for made in acts(live(history, size)):
        said = {one.said for one in made.observations if one.witness == "agent"}
        if made.decision.target.container:
            assert "unhealthy" in said
        elif made.decision.action != "return to DNS":
            assert len(dead(made.observations)) >= 2
            assert not alive(made.observations)


@given(histories, sizes)
def test_nothing_is_done_while_the_controller_is_blind_or_something_is_against_it(
    history: list[Stretch], size: int
) -> None:
    for made in acts(live(history, size)):
        assert not self_test_failures(made.state.fleet.self_test)
        assert made.state.pauses == ()
        assert made.state.leases == ()
        if not made.decision.target.container and made.decision.action != "return to DNS":
            assert breaker(made.state.fleet)[1]


@given(histories, sizes)
def test_every_decision_in_a_history_is_decided_the_same_again_from_its_json(history: list[Stretch], size: int) -> None:
    for made in live(history, size).made:
        state = documents.load(State, documents.dump(made.state))
        again = decide(state, made.observations, made.at)
        assert again == made.decision


@given(histories, sizes)
def test_a_controller_that_restarts_decides_the_same_as_one_that_does_not(history: list[Stretch], size: int) -> None:
    steady = live([replace(one, restarts=False) for one in history], size)
    shaken = live([replace(one, restarts=True) for one in history], size)
    assert [(made.id, made.decision) for made in steady.made] == [(made.id, made.decision) for made in shaken.made]
    assert steady.memory == shaken.memory


@given(histories, sizes)
def test_the_memory_is_bounded(history: list[Stretch], size: int) -> None:
    scene = live(history, size)
    assert len(scene.memory.cases) <= 2 * size + 1
    for case in scene.memory.cases.values():
        assert len(case.steps) <= 150
        assert len(case.changes) <= limits.CHANGES


@given(generated.states, generated.seen)
def test_any_state_gives_the_same_decision_twice(state: State, seen: tuple[Observation, ...]) -> None:
    assert decide(state, seen, NOW) == decide(state, seen, NOW)


@given(st.one_of(generated.states, generated.dire_states, generated.dire_states), generated.seen)
def test_in_any_state_nothing_destructive_follows_from_what_is_not_known(
    state: State, seen: tuple[Observation, ...]
) -> None:
    decision = decide(state, seen, NOW)
    if decision.is_destructive:
        fresh = [one for one in seen if NOW.since(one.at) <= limits.FRESH]
        assert len(dead(fresh)) >= 2
        assert not alive(fresh)
        assert not self_test_failures(state.fleet.self_test)
        assert decision.blocked == ()
        assert all(one.after <= one.limit for one in decision.budgets)


@given(generated.states, st.randoms(use_true_random=False))
def test_the_order_in_which_witnesses_are_heard_changes_nothing(state: State, random: Random) -> None:
    words = [
        Observation("agent", NOW, "silent"),
        Observation("edge", NOW, "silent"),
        Observation("provider", NOW, "off"),
        Observation("peer", NOW, "unknown"),
    ]
    shuffled = random.sample(words, len(words))
    first, second = (decide(state, seen, NOW) for seen in (words, shuffled))
    assert (first.action, first.because, first.case, first.gates) == (
        second.action,
        second.because,
        second.case,
        second.gates,
    )
