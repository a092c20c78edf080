"""A fleet of five: a release comes to all of them or to none, and an approved plan is carried out or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.lab import DOMAIN, Lab, reference
from tests.e2e.scenes import (
    addresses,
    begun,
    cancel,
    change_environment,
    change_service,
    containers,
    deploy,
    eventually,
    ours,
    serving,
    state_of,
)
from tests.e2e.test_deploy import change

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

HELLO = reference("service", "hello")
CONTAINER = "docker ps --all --quiet --filter name=_hello.candidate"


def test_a_record_that_goes_between_plan_and_approval_refuses_the_plan_and_is_shown(lab: Lab, context: Path) -> None:
    from prefect.flow_runs import resume_flow_run

    before = lab.ask()["release"]
    change(context, "to be approved")
    change_environment(approval=True)
    try:
        waiting = lab.start("deploy", service=HELLO)
        eventually(lambda: state_of(waiting) == "PAUSED", "the run waits for an approval")
        digest = lab.artifact(waiting).partition("Digest of the plan: `")[2].partition("`")[0]
        gone = lab.dns().read_records(name=DOMAIN)[0]
        lab.dns().remove(gone.id)
        resume_flow_run(waiting, run_input={"approve": True, "digest": digest, "comment": "looks good"})
        run = lab.finish(waiting)
    finally:
        change_environment(approval=False)
    assert not run.completed
    assert "The environment is not as it was when the plan was made" in run.log
    assert gone.content in lab.artifact(run.id)
    assert lab.ask()["release"] == before
    deploy(lab)
    assert addresses(lab) == {str(lab.droplet(name).public_address) for name in lab.droplets()}
    assert lab.ask()["release"] > before


@pytest.fixture(scope="module")
def five(lab: Lab) -> list[str]:
    """The droplets of the service, five of them."""
    change_service(replicas=5)
    deploy(lab)
    return ours(lab)


@pytest.mark.long
def test_five_droplets_serve_one_release(lab: Lab, five: list[str]) -> None:
    assert len(five) == 5
    assert len(serving(lab, five)) == 1
    assert addresses(lab) == {str(lab.droplet(name).public_address) for name in five}


@pytest.mark.long
def test_with_the_fourth_of_five_ill_no_droplet_switches(lab: Lab, five: list[str]) -> None:
    before = serving(lab, five)
    change_service(variables={"HELLO_BROKEN": "1", "HELLO_BROKEN_ON": five[3]})
    run = lab.run("deploy", service=HELLO)
    change_service(variables={})
    assert not run.completed
    assert f"failed on 1 of 5 droplets:\n  {five[3]}: " in run.log
    assert serving(lab, five) == before
    assert [name for name in five if "candidate" in containers(lab, name)] == [five[3]], "it stays as evidence"


@pytest.mark.long
def test_a_promotion_that_fails_on_the_fourth_of_five_brings_all_back(lab: Lab, context: Path, five: list[str]) -> None:
    before = serving(lab, five)
    change(context, "fails at the fourth")
    # While the first one is watched, the fourth loses its candidate, so that it cannot switch when its turn comes.
    run = lab.start("deploy", service=HELLO, canary=True, soak_seconds=8)
    eventually(lambda: [name for name in begun(run) if "watch" in name], "the canary has switched")
    assert len(serving(lab, five)) == 2
    lab.inside(five[3], "sh", "-c", f"docker rm --force $({CONTAINER})")
    ended = lab.finish(run)
    assert not ended.completed
    assert f"failed on 1 of 4 droplets:\n  {five[3]}: " in ended.log
    assert serving(lab, five) == before
    assert addresses(lab) == {str(lab.droplet(name).public_address) for name in five}


@pytest.mark.long
def test_a_run_that_is_cancelled_in_its_midst_takes_every_droplet_back(
    lab: Lab, context: Path, five: list[str]
) -> None:
    before = serving(lab, five)
    change(context, "to be cancelled")
    run = lab.start("deploy", service=HELLO, canary=True, soak_seconds=120)
    eventually(lambda: [name for name in begun(run) if "watch" in name], "the canary has switched")
    assert len(serving(lab, five)) == 2
    cancel(run)
    assert not lab.finish(run).completed
    assert serving(lab, five) == before
    assert addresses(lab) == {str(lab.droplet(name).public_address) for name in five}


@pytest.mark.long
def test_a_scale_down_leaves_two_and_destroys_what_is_empty(lab: Lab, five: list[str]) -> None:
    change_service(replicas=2)
    deploy(lab, remove_empty=True)
    left = ours(lab)
    assert len(left) == 2
    assert set(left) < set(five)
    assert addresses(lab) == {str(lab.droplet(name).public_address) for name in left}
