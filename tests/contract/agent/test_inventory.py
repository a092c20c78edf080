"""What a droplet holds beside the managed containers, and what is done about it: nothing."""

from __future__ import annotations

from pathlib import Path

import docker
import pytest

from agent import wire
from agent.client import AgentClient, AgentProblem
from tests.contract.agent import engines
from tests.contract.agent.serving import droplet
from tests.unit.agent.builders import NAME, spec


def unused(client: AgentClient) -> set[str]:
    return set(client.inventory().unused)


def test_an_empty_droplet_holds_nothing(tmp_path: Path) -> None:
    with droplet(tmp_path) as lab, lab.client() as client:
        found = client.inventory()
        assert (found.strangers, found.volumes) == ((), ())


def test_containers_and_volumes_of_whoever_are_named(tmp_path: Path) -> None:
    with droplet(tmp_path) as lab, lab.client() as client:
        lab.deploy(1)
        lab.engine.foreign = {"postgres", "backup"}
        lab.engine.volumes = {"theirs": ""}
        found = client.inventory()
        assert found.strangers == ("backup", "postgres")
        assert found.volumes == ("theirs",)


def test_an_image_whose_last_container_is_gone_is_unused_and_goes_with_the_next_prune(tmp_path: Path) -> None:
    with droplet(tmp_path) as lab, lab.client() as client:
        image = lab.engine.add_image(b"only one layer")
        client.missing(wire.ImageQuery(image=image.id, layers=image.layers))
        assert unused(client) == set(), "it arrived a moment ago"
        wanted = lab.spec(1).model_copy(update={"image": image.id})
        with lab.client() as owner:
            owner.prepare(NAME, wanted)
        assert unused(client) == set()
        client.remove(NAME)
        assert unused(client) == {image.id}
        assert client.prune().images == (image.id,)
        assert unused(client) == set()


@pytest.mark.docker
def test_docker_tells_our_containers_from_those_of_others(tmp_path: Path) -> None:
    with engines.docker(tmp_path) as lab:
        made = lab.engine.create(NAME, spec(1, lab.image.id))
        assert made.full_name not in lab.engine.strangers()
        assert not [name for name in lab.engine.volume_names() if len(name) == 64]
        theirs = docker.from_env().containers.create(lab.image.id, name=f"{lab.repository}-theirs")
        try:
            assert f"{lab.repository}-theirs" in lab.engine.strangers()
        finally:
            theirs.remove()


@pytest.mark.parametrize("suffix", ["", ".candidate", ".previous", ".kept-20261124t000001-abcdef"])
def test_a_strangers_container_of_our_name_is_left_alone_and_nothing_is_started(tmp_path: Path, suffix: str) -> None:
    with droplet(tmp_path) as lab, lab.client() as client:
        lab.engine.foreign = {f"{NAME}{suffix}"}
        with pytest.raises(AgentProblem) as caught:
            client.prepare(NAME, lab.spec(1))
        problem = caught.value.problem
        assert problem.code == "conflict"
        assert problem.message == f"A container {NAME}{suffix} is there, and was not made by this agent."
        assert problem.hint == "Rename or remove it if it is not needed, then deploy again."
        assert client.containers().containers == ()
        assert client.remove(NAME).changed is False
        assert lab.engine.foreign == {f"{NAME}{suffix}"}
