"""What becomes of runs when a part of the controller dies under them, and when all parts are exchanged."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import psutil
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment

from deployments.production import controller
from deployments.production.parts import parts, workers
from tests.contract.production.stack import Stack
from tests.contract.production.trial import STEPS

DEADLINE = 240
POLL = 0.25
POSTGRES_IS_AWAY = 10.0
"""Seconds."""
REDIS_IS_AWAY = 20.0
"""Seconds: Prefect's own clients give up after ten."""


@pytest.fixture(autouse=True)
def whole(stack: Stack) -> None:
    """Every part runs, whatever the test before killed."""
    list(controller.start_servers(stack.settings, stack.supervisor))
    list(controller.start_workers(stack.settings, stack.supervisor))


def start(folder: Path, seconds: float = 0.5) -> UUID:
    """A run of the trial."""
    parameters = {"folder": str(folder), "seconds": seconds}
    made = run_deployment(
        "trial/trial", parameters=parameters, timeout=0, as_subflow=False, idempotency_key=str(uuid4())
    )
    assert isinstance(made, FlowRun)
    return made.id


def until(true: object, what: str) -> None:
    """Waits until it is."""
    end = time.monotonic() + DEADLINE
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end, f"{what} did not come"
        time.sleep(POLL)


def reach(folder: Path, number: int) -> None:
    """Waits until a run has left so many marks."""
    until(lambda: folder.exists() and len(list(folder.iterdir())) >= number, f"mark {number}")


def ended(run: UUID) -> str:
    """Waits until a run has ended; its last state, in words."""
    found: list[str] = []

    def final() -> bool:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(run).state
        if state and state.is_final():
            found.append(f"{state.name}: {state.message}" if state.message else state.name or "")
        return bool(found)

    until(final, f"the end of {run}")
    return found[0]


def marks(folder: Path) -> int:
    """How many steps are done."""
    return len(list(folder.iterdir()))


def engine(run: UUID) -> psutil.Process:
    """The process of a run."""
    for process in psutil.process_iter(["cmdline", "environ"]):
        told = process.info["environ"] or {}
        if str(run) == str(told.get("PREFECT__FLOW_RUN_ID", "")) and "prefect.engine" in process.info["cmdline"]:
            return process
    raise AssertionError(f"no process of {run}")


def test_a_run_ends_well_when_an_api_server_is_killed_under_it(stack: Stack, tmp_path: Path) -> None:
    run = start(tmp_path / "marks")
    reach(tmp_path / "marks", 3)
    stack.kill("api-1")
    assert ended(run) == "Completed"
    assert marks(tmp_path / "marks") == STEPS


@pytest.mark.long
def test_runs_end_well_when_redis_is_away_both_those_under_way_and_one_that_begins_meanwhile(
    stack: Stack, tmp_path: Path
) -> None:
    under_way = start(tmp_path / "under-way", seconds=1)
    reach(tmp_path / "under-way", 2)
    stack.kill("redis")
    came_back = threading.Timer(REDIS_IS_AWAY, stack.supervisor.start, [stack.part("redis")])
    came_back.start()
    meanwhile = start(tmp_path / "meanwhile", seconds=0.1)
    assert ended(under_way) == "Completed"
    assert ended(meanwhile) == "Completed"
    came_back.join()


@pytest.mark.long
def test_a_run_ends_well_when_postgres_was_away(stack: Stack, tmp_path: Path) -> None:
    run = start(tmp_path / "marks", seconds=1)
    reach(tmp_path / "marks", 2)
    stack.postgres.stop()
    came_back = threading.Timer(POSTGRES_IS_AWAY, stack.postgres.start)
    came_back.start()
    assert ended(run) == "Completed"
    came_back.join()


@pytest.mark.long
def test_a_run_goes_on_without_its_worker_and_the_other_worker_takes_the_next(stack: Stack, tmp_path: Path) -> None:
    run = start(tmp_path / "first", seconds=1)
    reach(tmp_path / "first", 2)
    parent = engine(run).ppid()
    name = next(n for n in ("worker-1", "worker-2") if (found := stack.process(n).find()) and found.pid == parent)
    stack.kill(name)
    following = start(tmp_path / "second", seconds=0.1)
    assert ended(following) == "Completed"
    assert ended(run) == "Completed"


@pytest.mark.long
def test_a_run_that_dies_with_its_worker_is_finished_by_the_next_run_of_the_same(stack: Stack, tmp_path: Path) -> None:
    folder = tmp_path / "marks"
    run = start(folder, seconds=1)
    reach(folder, 3)
    process = engine(run)
    for name in ("worker-1", "worker-2"):
        stack.kill(name)
    process.kill()
    psutil.wait_procs([process], timeout=DEADLINE)
    done = marks(folder)
    assert 3 <= done < STEPS
    list(controller.start_workers(stack.settings, stack.supervisor))
    assert ended(start(folder, seconds=0.1)) == "Completed"
    assert marks(folder) == STEPS


@pytest.mark.long
def test_up_twice_exchanges_nothing(stack: Stack) -> None:
    before = {part.name: stack.supervisor.process(part).find() for part in parts(stack.settings)}
    lines = [*controller.start_servers(stack.settings, stack.supervisor)]
    lines += controller.start_workers(stack.settings, stack.supervisor)
    assert {part.name: stack.supervisor.process(part).find() for part in parts(stack.settings)} == before
    assert lines == [f"{part.name}: runs" for part in parts(stack.settings)]
    assert all(controller.status(stack.settings, stack.supervisor).values())


@contextmanager
def asking(stack: Stack) -> Iterator[list[int]]:
    """Somebody asks the API all the time; gives the statuses."""
    seen: list[int] = []
    end = threading.Event()
    name, _, password = stack.settings.machine_login.get_secret_value().partition(":")

    def ask() -> None:
        while not end.is_set():
            # A connection each, so that a gateway that closes old ones is not blamed.
            reply = httpx.get(f"{stack.settings.ui_url}/api/ready", auth=(name, password), timeout=30)
            seen.append(reply.status_code)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield seen
    finally:
        end.set()
        thread.join()


@pytest.mark.long
def test_an_upgrade_exchanges_every_part_while_the_api_answers_and_a_run_goes_on(stack: Stack, tmp_path: Path) -> None:
    exchanged = [one for one in parts(stack.settings) if one.name not in ("deployer-redis", "deployer-gateway")]
    before = {part.name: stack.supervisor.process(part).find() for part in exchanged}
    run = start(tmp_path / "marks", seconds=2)
    reach(tmp_path / "marks", 1)
    with asking(stack) as seen:
        lines = list(controller.upgrade(stack.settings, stack.supervisor))
    after = {part.name: stack.supervisor.process(part).find() for part in exchanged}
    assert all(after[name] and after[name] != before[name] for name in before)
    assert set(seen) == {httpx.codes.OK}
    assert ended(run) == "Completed"
    assert lines[-len(workers(stack.settings)) :] == [f"{part.name}: started" for part in workers(stack.settings)]
