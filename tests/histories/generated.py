"""Histories by chance: half of what happens is a run of ours, and in more than half of those something goes wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from tests.histories.life import KINDS, WEB, Wanted
from tests.histories.operations import (
    FOREIGN,
    AnotherDeploy,
    Deploy,
    DestroyByHand,
    Finish,
    Foreign,
    ForeignGone,
    LoseRecord,
    Maintain,
    Operation,
    RollBack,
    Silence,
    Undeploy,
    Wait,
    Wake,
)
from tests.histories.trouble import (
    AgentDies,
    Cancel,
    CloudFails,
    CloudflareDown,
    Ill,
    Kill,
    NginxRefuses,
    Overtaken,
    ReplyLost,
)

MACHINES, FLAGS, CALLS = st.integers(0, 3), st.booleans(), st.integers(1, 40)
WHEN = st.sampled_from(["wait", "wait", "wait", "fail"])
NAMES = st.sampled_from(["hello", "hello", "hello", "hello", "shop", *KINDS])
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
    (3, st.builds(Cancel, at=CALLS, backwards=FLAGS)),
    (2, st.builds(CloudFails, at=CALLS, for_good=FLAGS)),
    (1, st.builds(ReplyLost, st.sampled_from(["dns.ensure", "droplets.ensure"]))),
    (1, st.builds(CloudflareDown, at=st.integers(1, 8))),
    (1, st.builds(Ill, MACHINES, st.sampled_from(["crashing", "mute", "unstartable"]))),
    (1, st.builds(NginxRefuses, MACHINES)),
    (4, st.builds(AgentDies, MACHINES, st.integers(1, 40), FLAGS, FLAGS)),
)
GOING = st.sampled_from(["hello", "hello", "hello", "hello", "shop", *KINDS, None])
PICKS = st.none() | st.integers(0, 3)
OPERATIONS = often(
    (8, st.builds(Deploy, WANTED, FLAGS, st.integers(0, 2), FLAGS, WHEN, TROUBLE, FLAGS)),
    (1, st.builds(overtaken, WANTED, st.integers(1, 4), st.integers(1, 20))),
    (3, st.builds(RollBack, NAMES, WHEN, TROUBLE, PICKS)),
    (2, st.builds(Maintain, st.sampled_from(WEB), FLAGS, WHEN, TROUBLE)),
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
LONGEST = 8
"""Operations of one history, but for how it begins and ends."""
HISTORIES: st.SearchStrategy[list[Operation]] = st.builds(
    lambda first, rest: [*first, *rest], BEGUN, st.lists(OPERATIONS, max_size=LONGEST)
)
