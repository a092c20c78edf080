"""Random histories of an environment: whatever was asked and whatever failed, nothing is lost, mixed or left over."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fleet import naming
from tests.histories.lane import Lane, open_lane
from tests.histories.life import Life, Wanted
from tests.histories.operations import (
    FOREIGN,
    SERVICES,
    AnotherDeploy,
    Deploy,
    DestroyByHand,
    Finish,
    Foreign,
    ForeignGone,
    LoseRecord,
    Operation,
    RollBack,
    Silence,
    Undeploy,
    Wait,
    Wake,
)
from tests.histories.trouble import AgentDies, CloudFails, CloudflareDown, Ill, Kill, NginxRefuses, Overtaken, ReplyLost
from tests.histories.view import places, records

COUNT = int(os.environ.get("HISTORIES", "150"))
FRESH = "HISTORIES" in os.environ
LONGEST = 8
"""Operations of one history, without its end."""

MACHINES, FLAGS, CALLS = st.integers(0, 3), st.booleans(), st.integers(1, 40)
WHEN = st.sampled_from(["wait", "wait", "wait", "fail"])
NAMES = st.sampled_from(["hello", "hello", "hello", "shop"])
HOSTS = st.sampled_from([("",), ("",), ("",), ("", "new."), ("new.",)])
WANTED = st.builds(Wanted, NAMES, st.sampled_from("abc"), st.integers(1, 4), HOSTS)


def often(*choices: tuple[int, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """One of these, each so many times as often as another with 1."""
    return st.sampled_from([one for times, one in choices for _ in range(times)]).flatmap(lambda one: one)


def overtaken(wanted: Wanted, replicas: int, at: int) -> Deploy:
    """A deploy that sleeps while somebody else deploys another content to as many droplets."""
    return Deploy(wanted, trouble=Overtaken(at, AnotherDeploy(replace(wanted, content="z", replicas=replicas))))


def begun(wanted: Wanted, contents: str) -> list[Operation]:
    """Releases that serve already when the trouble begins."""
    return [Deploy(replace(wanted, content=one)) for one in contents]


TROUBLE = often(
    (6, st.none()),
    (6, st.builds(Kill, at=CALLS, backwards=FLAGS)),
    (2, st.builds(CloudFails, at=CALLS, for_good=FLAGS)),
    (1, st.builds(ReplyLost, st.sampled_from(["dns.ensure", "droplets.ensure"]))),
    (1, st.builds(CloudflareDown, at=st.integers(1, 8))),
    (1, st.builds(Ill, MACHINES, st.sampled_from(["crashing", "mute", "unstartable"]))),
    (1, st.builds(NginxRefuses, MACHINES)),
    (4, st.builds(AgentDies, MACHINES, st.integers(1, 40), FLAGS, FLAGS)),
)
GOING = st.sampled_from(["hello", "hello", "hello", "shop", None])
OPERATIONS = often(
    (8, st.builds(Deploy, WANTED, FLAGS, st.integers(0, 2), FLAGS, WHEN, TROUBLE, FLAGS)),
    (1, st.builds(overtaken, WANTED, st.integers(1, 4), st.integers(1, 20))),
    (3, st.builds(RollBack, NAMES, WHEN, TROUBLE)),
    (4, st.builds(Undeploy, GOING, st.none() | MACHINES, FLAGS, WHEN, TROUBLE, FLAGS)),
    (2, st.builds(Finish, TROUBLE, FLAGS)),
    (2, st.builds(Silence, MACHINES)),
    (2, st.builds(Wake, MACHINES)),
    (2, st.builds(Wait, st.sampled_from([1, 6, 11]))),
    (1, st.builds(LoseRecord, MACHINES)),
    (1, st.builds(DestroyByHand, MACHINES)),
    (1, st.builds(Foreign, st.sampled_from(sorted(FOREIGN)))),
    (1, st.builds(ForeignGone)),
)
BEGUN = st.builds(begun, WANTED, st.sampled_from(["", "x", "xy", "xy"]))
HISTORIES: st.SearchStrategy[list[Operation]] = st.builds(
    lambda first, rest: [*first, *rest], BEGUN, st.lists(OPERATIONS, max_size=LONGEST)
)


@pytest.fixture(scope="module")
def lane() -> Iterator[Lane]:
    """The fast lane, for all histories."""
    with open_lane() as opened:
        yield opened


@settings(
    max_examples=COUNT,
    deadline=None,
    derandomize=not FRESH,
    database=None,
    report_multiple_bugs=False,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
@given(HISTORIES)
def test_after_any_history_a_deploy_comes_to_all_and_an_undeploy_leaves_nothing(
    lane: Lane, history: list[Operation]
) -> None:
    live(lane, history)


def live(lane: Lane, history: list[Operation]) -> None:
    """A whole life: the history, then everything is well again, is deployed once more, and goes."""
    folder = Path(mkdtemp())
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
