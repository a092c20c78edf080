"""One suite for the port `Engine`, on the fake and on Docker: what sets the kinds apart, and volumes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from agent.docker_api import DockerApi
from agent.server import instances
from agent.server.ports import EngineError, Instance
from tests.contract.agent import engines
from tests.contract.agent.engines import Lab
from tests.contract.agent.test_engine import lines, one
from tests.contract.sandbox.cloudflare.serving import until
from tests.unit.agent.builders import KINDS, NAME, OTHER, VOLUME, spec

CANDIDATE = f"{NAME}.candidate"


@pytest.fixture(autouse=True)
def no_volume(shared_lab: Lab) -> Iterator[None]:
    """Every test begins without the volume, and leaves none."""
    yield
    for found in shared_lab.engine.instances():
        shared_lab.engine.remove(found.full_name)
    shared_lab.engine.remove_volume(NAME, VOLUME.name)


@pytest.mark.parametrize("kind", KINDS)
def test_a_container_remembers_its_kind_and_all_that_belongs_to_it(lab: Lab, kind: str) -> None:
    wanted = spec(1, lab.image.id, steady_seconds=7 if "worker" in kind else 5, **KINDS[kind])
    made = lab.engine.create(NAME, wanted)
    assert lab.engine.instances() == (made,)
    assert (made.kind, made.port, made.hosts) == (wanted.kind, wanted.port, wanted.hosts)
    assert (made.exclusive, made.steady_seconds) == (wanted.exclusive, wanted.steady_seconds)
    assert (made.cron, made.volumes) == (wanted.cron, wanted.volumes)
    assert made.stops_first is wanted.stops_first
    assert made.created_at is not None


def test_a_volume_outlives_its_containers_and_is_removed_only_by_name(lab: Lab) -> None:
    lab.engine.create(NAME, spec(1, lab.image.id, volumes=(VOLUME,)))
    with pytest.raises(EngineError) as caught:
        lab.engine.remove_volume(NAME, VOLUME.name)
    assert caught.value.status == 409
    lab.engine.remove(CANDIDATE)
    assert [lab.engine.remove_volume(NAME, VOLUME.name) for _ in range(2)] == [True, False]


def test_a_volume_of_another_service_is_not_removed(lab: Lab) -> None:
    lab.engine.create(NAME, spec(1, lab.image.id, volumes=(VOLUME,)))
    lab.engine.remove(CANDIDATE)
    assert lab.engine.remove_volume(OTHER, VOLUME.name) is False
    assert lab.engine.remove_volume(NAME, VOLUME.name) is True


def test_there_are_no_extra_containers_of_runs_to_remove(lab: Lab) -> None:
    lab.engine.create(NAME, spec(1, lab.image.id, **KINDS["scheduled"]))
    assert lab.engine.remove_runs(NAME) == 0
    assert len(lab.engine.instances()) == 1


on_docker = pytest.mark.parametrize("shared_lab", [pytest.param("docker", marks=pytest.mark.docker)], indirect=True)
"""What only a process can show: the fake runs none."""


def begun(lab: Lab, number: int = 1, **changes: Any) -> Instance:
    """A container whose process has been started."""
    made = lab.engine.create(NAME, spec(number, lab.image.id, **changes))
    lab.engine.start(made.full_name)
    return made


def ended(lab: Lab) -> Instance:
    """The container, once its process has ended."""
    until(lambda: one(lab.engine).status == "exited", "it ends")
    return one(lab.engine)


@on_docker
def test_a_command_is_a_list_of_words_that_no_shell_sees(lab: Lab) -> None:
    begun(lab, command=("/busybox", "echo", "$HOME; *", "two words"), **KINDS["scheduled"])
    ended(lab)
    assert [entry.text for entry in lines(lab.engine, CANDIDATE)] == ["$HOME; * two words"]


@on_docker
def test_a_scheduled_container_ends_and_stays_ended_with_its_code(lab: Lab) -> None:
    begun(lab, command=("/busybox", "sh", "-c", "exit 3"), **KINDS["scheduled"])
    assert (ended(lab).exit_code, ended(lab).restarts) == (3, 0)


@on_docker
def test_a_worker_that_ends_is_started_again(lab: Lab) -> None:
    begun(lab, command=("/busybox", "false"), **KINDS["worker"])
    until(lambda: one(lab.engine).restarts > 0, "Docker starts it again")
    lab.engine.stop(CANDIDATE, 0)


@on_docker
def test_what_one_release_wrote_to_a_volume_the_next_one_reads(lab: Lab) -> None:
    facts = {**KINDS["scheduled"], "volumes": (VOLUME,)}
    begun(lab, command=("/busybox", "sh", "-c", "echo kept > /data/file"), **facts)
    ended(lab)
    lab.engine.remove(CANDIDATE)
    begun(lab, 2, command=("/busybox", "cat", "/data/file"), **facts)
    ended(lab)
    assert [entry.text for entry in lines(lab.engine, CANDIDATE)] == ["kept"]


@on_docker
def test_a_volume_without_our_labels_is_never_removed(lab: Lab) -> None:
    api = DockerApi(engines.SOCKET)
    name = instances.volume_name(NAME, "foreign")
    api.json("POST", "/volumes/create", {"Name": name})
    try:
        assert lab.engine.remove_volume(NAME, "foreign") is False
    finally:
        api.json("DELETE", f"/volumes/{name}")
