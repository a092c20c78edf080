"""One suite for cron's port `Containers`, on the fake and on Docker; and a whole run on Docker."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.cron.docker import DockerContainers
from agent.cron.keeper import Keeper
from agent.cron.ports import Containers, Job
from agent.docker_api import DockerApi, EngineAbsent, EngineError
from agent.runs import Runs
from agent.server.engine import DockerEngine
from tests.contract.agent import engines
from tests.contract.sandbox.cloudflare.serving import until
from tests.fakes.jobs import FakeJobs
from tests.unit.agent.builders import CRON, KINDS, NAME, release, spec

TIME = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
LONG = ("/busybox", "sleep", "1000")
ENDS = ("/busybox", "sh", "-c", "exit 3")
on_docker = pytest.mark.parametrize("shop", [pytest.param("docker", marks=pytest.mark.docker)], indirect=True)


@dataclass
class Shop:
    """Scheduled containers, and how another is made current: with a process that stays, or one that ends with 3."""

    containers: Containers
    add: Callable[[tuple[str, ...]], str]
    wait_end: Callable[[str], None]
    folder: Path

    @property
    def only(self) -> Job:
        """The one container that there is."""
        (found,) = self.containers.jobs()
        return found

    def start(self, command: tuple[str, ...] = LONG) -> str:
        """A container that has been started; its id."""
        made = self.add(command)
        self.containers.start(made)
        if command == ENDS:
            self.wait_end(made)
        return made


@contextlib.contextmanager
def fake(folder: Path) -> Iterator[Shop]:
    """The fake."""
    jobs = FakeJobs(TIME)
    yield Shop(jobs, lambda _: jobs.add(NAME, CRON, release(1)), lambda id: jobs.finish(id, 3), folder)


@contextlib.contextmanager
def docker(folder: Path) -> Iterator[Shop]:
    """Docker; the containers are made as the agent makes them."""
    with engines.docker(folder) as lab:
        assert isinstance(lab.engine, DockerEngine)
        containers = DockerContainers(DockerApi(engines.SOCKET), lab.repository)

        def add(command: tuple[str, ...]) -> str:
            made = lab.engine.create(NAME, spec(1, lab.image.id, command=command, **KINDS["scheduled"]))
            lab.engine.rename(made, "current")
            return made.id

        def ended(id: str) -> None:
            until(lambda: not _running(containers, id), "it ends")

        yield Shop(containers, add, ended, folder)
        lab.engine.remove_runs(NAME)
        for one in lab.engine.instances():
            lab.engine.remove(one.full_name)


def _running(containers: Containers, id: str) -> bool:
    state = containers.state(id)
    return state is not None and state.running


@pytest.fixture(params=["fake", pytest.param("docker", marks=pytest.mark.docker)])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    with (fake if request.param == "fake" else docker)(tmp_path) as made:
        yield made


def test_a_scheduled_container_is_found_with_what_cron_must_know(shop: Shop) -> None:
    made = shop.add(LONG)
    assert (shop.only.id, shop.only.name, shop.only.release, shop.only.cron) == (made, NAME, release(1), CRON)
    assert (shop.only.current, shop.only.running, shop.only.extra_for) == (True, False, None)
    state = shop.containers.state(made)
    assert state is not None
    assert (state.running, state.started_at, state.ended_at) == (False, None, None)


def test_a_started_container_runs_and_starting_it_again_changes_nothing(shop: Shop) -> None:
    made = shop.start()
    first = shop.containers.state(made)
    assert first is not None
    assert first.running
    assert first.started_at is not None
    shop.containers.start(made)
    assert shop.containers.state(made) == first
    assert shop.only.running


def test_an_end_is_told_with_its_code_and_time(shop: Shop) -> None:
    state = shop.containers.state(shop.start(ENDS))
    assert state is not None
    assert (state.running, state.exit_code, state.oom) == (False, 3, False)
    assert state.started_at is not None
    assert state.ended_at is not None
    assert state.ended_at >= state.started_at - timedelta(seconds=1)  # Docker's two clocks, so to speak


def test_a_signal_ends_a_process_and_one_for_what_does_not_run_does_nothing(shop: Shop) -> None:
    made = shop.start()
    shop.containers.signal(made, "SIGKILL")
    until(lambda: not _running(shop.containers, made), "it is killed")
    state = shop.containers.state(made)
    assert state is not None
    assert state.exit_code == 137
    shop.containers.signal(made, "SIGTERM")
    shop.containers.signal("0" * 64, "SIGTERM")


def test_an_extra_container_is_like_the_first_and_found_as_what_it_is(shop: Shop) -> None:
    first = shop.start()
    extra = shop.containers.clone(shop.only, TIME)
    shop.containers.start(extra)
    found = {job.id: job for job in shop.containers.jobs()}
    assert found.keys() == {first, extra}
    assert (found[extra].extra_for, found[extra].current, found[extra].running) == (TIME, False, True)
    assert (found[extra].name, found[extra].release, found[extra].cron) == (NAME, release(1), CRON)
    assert found[first].extra_for is None


def test_a_second_extra_container_for_the_same_time_is_refused(shop: Shop) -> None:
    shop.start()
    job = shop.only
    shop.containers.clone(job, TIME)
    with pytest.raises(EngineError) as caught:
        shop.containers.clone(job, TIME)
    assert caught.value.status == 409
    assert len(shop.containers.jobs()) == 2


def test_what_is_removed_is_gone_and_removing_it_again_is_fine(shop: Shop) -> None:
    made = shop.start()
    for _ in range(2):
        shop.containers.remove(made)
    assert (shop.containers.jobs(), shop.containers.state(made)) == ((), None)
    with pytest.raises(EngineAbsent):
        shop.containers.start(made)


@on_docker
def test_a_run_on_docker_is_begun_at_its_time_followed_and_written_down(shop: Shop) -> None:
    made, runs = shop.add(ENDS), Runs(shop.folder)
    before = (datetime.now(UTC) - timedelta(days=2)).replace(hour=3, minute=59, second=58, microsecond=0)
    keeper = Keeper(shop.containers, runs, before)
    keeper.tick(before)
    keeper.tick(before + timedelta(seconds=2))
    shop.wait_end(made)
    keeper.tick(before + timedelta(seconds=7))
    (run,) = runs.read(NAME)
    assert (run.scheduled_for, run.outcome, run.exit_code) == (before + timedelta(seconds=2), "ended", 3)
    assert run.ended_at is not None
    assert run.started_at is not None
    assert run.ended_at >= run.started_at


@on_docker
def test_an_extra_container_has_the_same_limits_and_no_more_options_than_the_first(shop: Shop) -> None:
    first = shop.start()
    extra = shop.containers.clone(shop.only, TIME)
    api = DockerApi(engines.SOCKET)
    one, other = (api.json("GET", f"/containers/{id}/json") for id in (first, extra))
    assert {**one["HostConfig"], "ExtraHosts": one["HostConfig"]["ExtraHosts"] or None} == other["HostConfig"]
    assert one["Config"]["Cmd"] == other["Config"]["Cmd"] == list(LONG)
    assert not [label for label in other["Config"]["Labels"] if label.endswith(".name")]
