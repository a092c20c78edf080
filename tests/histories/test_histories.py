"""Random histories of an environment: whatever was asked and whatever failed, nothing is lost, mixed or left over.

Each is lived on the fast lane, and ends well: with a deploy that comes to all, and an undeploy that leaves nothing.
`make histories` lives thousands. One that fails is printed as values, shortened; it can be copied into `FOUND`.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.histories.ending import live
from tests.histories.generated import HISTORIES
from tests.histories.lane import Lane
from tests.histories.life import Wanted
from tests.histories.operations import AnotherDeploy, Deploy, DestroyByHand, Operation, RollBack, Undeploy
from tests.histories.trouble import CloudFails, Kill, Overtaken

COUNT = os.environ.get("HISTORIES", "")
"""How many to live, each time others; empty: as many as a change's tests can wait for."""
SOME = 60
ONE, TWO, THREE = (Wanted(replicas=number) for number in (1, 2, 3))
NEXT, NEXT_ON_TWO = Wanted(content="b"), Wanted(content="b", replicas=2)
FOUND: dict[str, list[Operation]] = {
    "the only droplet is destroyed by name": [Deploy(ONE), Undeploy(droplet=0, destroy=True)],
    "a cloud fails once at the beginning of a rollback": [Deploy(ONE), Deploy(NEXT), RollBack(trouble=CloudFails(1))],
    "fewer droplets and Cloudflare fails at the end": [
        Deploy(TWO),
        Deploy(NEXT, trouble=CloudFails(18, for_good=True)),
    ],
    "a droplet is gone before a rollback": [Deploy(TWO), Deploy(NEXT_ON_TWO), DestroyByHand(0), RollBack()],
    "a candidate is left and nobody wants it": [Deploy(ONE), Deploy(NEXT, trouble=Kill(5)), Deploy(ONE, again=True)],
    "a killed deploy's droplet has no address yet, and a cloud fails once at the last look": [
        Deploy(TWO, trouble=Kill(2)),
        Deploy(ONE),
        RollBack(trouble=CloudFails(6)),
    ],
    "a deploy to more droplets is killed once their candidates run": [
        Deploy(ONE),
        Deploy(NEXT),
        Deploy(Wanted(content="b", replicas=3), trouble=Kill(17)),
        RollBack(),
    ],
    "a first deploy is overtaken": [Deploy(ONE, trouble=Overtaken(2, AnotherDeploy(Wanted(content="z", replicas=4))))],
    "a first deploy is overtaken by the same content beside another service": [
        Deploy(Wanted("shop")),
        Deploy(Wanted("shop", content="b")),
        Deploy(THREE, trouble=Overtaken(1, AnotherDeploy(Wanted(content="z")))),
        Deploy(TWO),
    ],
}
"""Histories that once broke a rule."""


@pytest.mark.parametrize("history", FOUND.values(), ids=FOUND)
def test_a_history_that_once_broke_a_rule_keeps_them_all(lane: Lane, history: list[Operation]) -> None:
    live(lane, history)


@settings(
    max_examples=int(COUNT or SOME),
    deadline=None,
    derandomize=not COUNT,
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
