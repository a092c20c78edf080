"""What remediation asks of an agent: the container anew, the agent itself anew, and what a health round is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import wire
from agent.client import AgentClient, AgentProblem
from tests.contract.agent.serving import Droplet, droplet
from tests.unit.agent.builders import CRON, HOST, NAME, NO_PORT, release


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Droplet]:
    with droplet(tmp_path) as running:
        yield running


@pytest.fixture
def client(lab: Droplet) -> Iterator[AgentClient]:
    with lab.client() as made:
        yield made


def ids(lab: Droplet) -> dict[str, str]:
    return {one.role: one.id for one in lab.engine.instances(NAME)}


def test_a_container_that_does_not_serve_is_made_anew_of_its_release_with_its_secrets(
    lab: Droplet, client: AgentClient
) -> None:
    spec = lab.spec(1, secrets={"KEY": "made up"})
    client.prepare(NAME, spec)
    client.promote(NAME, wire.Promote(release=release(1)))
    before = ids(lab)
    lab.engine.exit(NAME)
    for _ in range(2):  # it may be asked again by a run that was killed
        client.recreate(NAME, spec)
    assert lab.router.get(HOST) == (200, f"{NAME} {release(1)}")
    assert list(ids(lab)) == ["current"]
    assert ids(lab) != before
    assert lab.engine.secrets[NAME, release(1)] == {"KEY": "made up"}


def test_what_can_be_gone_back_to_outlives_a_recreation(lab: Droplet, client: AgentClient) -> None:
    lab.deploy(1)
    lab.deploy(2)
    client.recreate(NAME, lab.spec(2))
    found = {one.role: one.release for one in client.containers().containers}
    assert found == {"current": release(2), "previous": release(1)}


def test_a_recreation_that_fails_leaves_the_old_container_current(lab: Droplet, client: AgentClient) -> None:
    lab.deploy(1)
    old = ids(lab)["current"]
    lab.engine.mute.add(release(1))
    with pytest.raises(AgentProblem, match="not healthy"):
        client.recreate(NAME, lab.spec(1))
    assert ids(lab)["current"] == old


@pytest.mark.parametrize(("number", "code"), [(1, "not_found"), (2, "conflict")])
def test_only_what_is_current_is_made_anew(lab: Droplet, client: AgentClient, number: int, code: str) -> None:
    if number == 2:
        lab.deploy(1)
    with pytest.raises(AgentProblem) as caught:
        client.recreate(NAME, lab.spec(number))
    assert caught.value.problem.code == code


def test_a_release_is_not_made_anew_otherwise_than_it_was(lab: Droplet, client: AgentClient) -> None:
    lab.deploy(1)
    with pytest.raises(AgentProblem, match="A release never changes"):
        client.recreate(NAME, lab.spec(1, memory_mib=64))


def test_a_scheduled_container_is_made_anew_without_being_run(lab: Droplet, client: AgentClient) -> None:
    spec = lab.spec(1, kind="scheduled", cron=CRON, **NO_PORT)
    client.prepare(NAME, spec)
    client.promote(NAME, wire.Promote(release=release(1)))
    client.recreate(NAME, spec)
    assert [one.status for one in lab.engine.instances(NAME)] == ["created"]


def test_a_node_tells_who_holds_locks_and_what_would_be_lost_with_the_droplet(
    lab: Droplet, client: AgentClient
) -> None:
    lab.engine.foreign.add("theirs")
    node = client.node()
    assert [(one.service, one.holder) for one in node.leases] == [(NAME, "the tests")]
    assert node.keeps == ("theirs",)
    lab.engine.down = True
    assert client.node().keeps is None
