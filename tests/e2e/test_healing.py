"""A droplet that dies leaves DNS, comes back when it is well, and gives way to a new one, with nobody asked."""

from __future__ import annotations

import pytest

from fleet import retirement
from fleet.remediation.folders import Folder
from fleet.remediation.records import DecisionRecord
from tests.e2e.lab import Lab, schedule
from tests.e2e.scenes import addresses, change_environment, containers, disturb, eventually, ours, serving

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

CHECKS = 2
"""So many health rounds from its confirmation on until a dead host is out of DNS."""
RUN_SECONDS = 60.0
"""What a run that a round has started may take on a busy machine."""
UNATTENDED_SECONDS = 1200.0
"""Two minutes dead, ten since anything changed on the droplet, and what a new one takes."""
REPLACED_SECONDS = 300.0
"""From the gates' permission until the new droplet serves and the dead one is retired."""


def check(lab: Lab) -> None:
    """A health round, as the schedule starts one each minute."""
    run = lab.run("health-check")
    assert run.completed, run.log


def test_a_droplet_that_is_switched_off_leaves_dns_within_two_checks_and_comes_back(lab: Lab) -> None:
    check(lab)
    off = lab.droplet(ours(lab)[0])
    before = addresses(lab)
    disturb(lab, off.id, power="off")
    try:
        for _ in range(CHECKS):
            check(lab)
        eventually(lambda: off.public_address not in addresses(lab), "it is out of DNS", RUN_SECONDS, every=1.0)
        assert len(lab.droplets()) == 1
    finally:
        disturb(lab, off.id, power="on")
    eventually(lambda: containers(lab, off.name).get("current", ("",))[0] == "running", "it runs again", 120)

    def back() -> bool:
        check(lab)
        return addresses(lab) == before

    eventually(back, "it is in DNS again", 240, every=5.0)


def replacement(lab: Lab, droplet: int) -> DecisionRecord:
    """The one decision to replace a droplet, with what became of it."""
    records = Folder(lab.root / "healing").records
    every = [one for day in records.days() for one in records.read(day).records]
    (found,) = [one for one in every if (one.decision.action, one.decision.target.droplet) == ("replace", droplet)]
    return found


@pytest.mark.long
def test_a_droplet_that_stays_off_is_replaced_unattended(lab: Lab) -> None:
    change_environment(replaceable=True, proof_seconds=5)
    schedule("health-check", active=True)
    dead, (release,) = lab.droplet(ours(lab)[0]), serving(lab, ours(lab))
    disturb(lab, dead.id, power="off")
    try:
        eventually(
            lambda: retirement.retired_at(lab.droplet(dead.name).tags), "it is retired", UNATTENDED_SECONDS, every=5.0
        )
    finally:
        schedule("health-check", active=False)
        change_environment(replaceable=False)
    decision = replacement(lab, dead.id)
    assert decision.decision.blocked == ()
    assert [one.outcome.word for one in decision.outcomes] == ["helped"]
    assert decision.outcomes[0].at.since(decision.at) <= REPLACED_SECONDS
    there = [one for one in ours(lab) if one != dead.name]
    assert len(there) == 2
    assert serving(lab, there) == {release}
    assert addresses(lab) == {lab.droplet(name).public_address for name in there}
    assert lab.droplets() == there
    lab.cloud().droplets.remove(dead.id)
