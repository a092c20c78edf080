"""That the histories notice: each rule is broken on purpose, by a product that does what it must not do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.server import health, rollout
from fleet import naming
from tasks import dns, releases, rollouts, tombstones
from tests.histories.ending import live
from tests.histories.lane import Lane
from tests.histories.life import Life, Wanted
from tests.histories.operations import Deploy, Operation, RollBack, Silence, Undeploy
from tests.histories.trouble import Ill, Kill, NginxRefuses

TWO, NEXT = Wanted(replicas=2), Wanted(content="b", replicas=2)


def nothing(*_: Any, **__: Any) -> dict[str, str]:
    """Does nothing, and says that it went well."""
    return {}


SABOTAGE: dict[str, tuple[list[tuple[object, str, Callable[..., Any]]], list[Operation], str]] = {
    "nothing is taken back": (
        [(releases, "take_back", nothing)],
        [Deploy(TWO), Deploy(NEXT, trouble=NginxRefuses(1))],
        "became",
    ),
    "a candidate is not proven": (
        [(rollout, "_prove_or_stop", nothing), (health, "probe", lambda _: (True, "it is well"))],
        [Deploy(TWO), Deploy(NEXT, trouble=Ill(1, "mute"))],
        "does not serve it",
    ),
    "records come before the droplets serve": (
        [(rollouts, "promote", lambda lock, hosts, *_: [() for _ in hosts])],
        [Deploy(TWO)],
        "does not serve it",
    ),
    "records stay": ([(dns, "unpoint_all", nothing)], [Deploy(TWO), Undeploy()], "does not serve it"),
    "no tombstone is placed": ([(tombstones, "place_all", nothing)], [Deploy(TWO), Silence(), Undeploy()], "tombstone"),
    "a candidate that nobody wants stays": (
        [(rollout, "_give_way", lambda *_: False)],
        [Deploy(), Deploy(Wanted(content="b"), trouble=Kill(6)), Deploy()],
        "candidate",
    ),
    "what is there is not seen again": (
        [(naming, "same_content", lambda *_: False)],
        [Deploy(TWO, again=True)],
        "done once more",
    ),
}


@pytest.mark.parametrize(("broken", "history", "told"), SABOTAGE.values(), ids=SABOTAGE)
def test_a_history_is_not_lived_when(
    lane: Lane,
    monkeypatch: pytest.MonkeyPatch,
    broken: list[tuple[object, str, Callable[..., Any]]],
    history: list[Operation],
    told: str,
) -> None:
    for target, name, instead in broken:
        monkeypatch.setattr(target, name, instead)
    with pytest.raises(AssertionError, match=told):
        live(lane, history)


def test_what_others_have_made_may_not_be_changed(lane: Lane, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with lane.open(tmp_path):
        life = Life(lane)
        Deploy(TWO).happen(life)
        monkeypatch.setattr(dns, "unpoint_all", lambda *_: lane.fleet.dns.all.clear())
        with pytest.raises(AssertionError, match="what others have made was changed"):
            Undeploy().happen(life)


def test_a_rollback_without_a_way_back_is_no_breach(lane: Lane) -> None:
    live(lane, [Deploy(TWO), RollBack()])
