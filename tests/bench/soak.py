"""Half an hour of health rounds: the controller's memory, and how its database grows."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import mean, median

import psutil
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterStartTime,
)
from prefect.client.schemas.objects import FlowRun
from prefect.types import DateTime
from rich.console import Console
from rich.table import Table

from deployments.processes import Process
from deployments.settings import Settings

SAMPLE_SECONDS = 5.0
DAY_MINUTES = 24 * 60
MIB = 1 << 20
FLOW = "health-check"
TABLES = ("flow_run", "flow_run_state", "task_run", "task_run_state", "events", "event_resources", "log", "artifact")
"""Of the database: those that a round writes to."""


@dataclass(frozen=True)
class Sample:
    """The controller at one time."""

    at: float
    server: int
    worker: int
    runs: int
    """Bytes of memory that the processes of runs take together."""
    live: int
    """Bytes of the database that hold something."""


def pause_all(settings: Settings, but: str = "") -> None:
    """Every schedule rests, but for that of one deployment."""
    with get_client(sync_client=True) as client:
        for found in client.read_deployments():
            for schedule in found.schedules:
                client.update_deployment_schedule(found.id, schedule.id, active=found.name == but)


def watch(settings: Settings, minutes: int, console: Console) -> None:
    """Lets the worker carry out a round each minute, and tells what it left."""
    pause_all(settings, but=FLOW)
    began, samples = datetime.now(UTC), [sample(settings)]
    first = sizes(settings)
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        time.sleep(SAMPLE_SECONDS)
        samples.append(sample(settings))
    pause_all(settings)
    tell(samples, first, sizes(settings), rounds_since(began), console)


def sample(settings: Settings) -> Sample:
    """The controller now."""
    server, worker = (_memory(Process(name, settings.home)) for name in ("prefect-server", "prefect-rounds"))
    with closing(_open(settings)) as database:
        pages, free, size = (
            database.execute(f"PRAGMA {word}").fetchone()[0] for word in ("page_count", "freelist_count", "page_size")
        )
    return Sample(time.monotonic(), sum(server), worker[0], sum(worker[1:]), (pages - free) * size)


def sizes(settings: Settings) -> dict[str, int]:
    """Bytes by table, its indexes among them."""
    with closing(_open(settings)) as database:
        owner = dict(database.execute("SELECT name, tbl_name FROM sqlite_master"))
        found: dict[str, int] = {}
        for name, size in database.execute("SELECT name, SUM(pgsize) FROM dbstat GROUP BY name"):
            table = owner.get(name, name)
            found[table] = found.get(table, 0) + size
    return found


def rounds_since(began: datetime) -> list[FlowRun]:
    """The rounds that the worker has carried out since."""
    with get_client(sync_client=True) as client:
        return client.read_flow_runs(
            deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[FLOW])),
            flow_run_filter=FlowRunFilter(start_time=FlowRunFilterStartTime(after_=DateTime.instance(began))),
        )


def tell(
    samples: Sequence[Sample], first: dict[str, int], last: dict[str, int], runs: Sequence[FlowRun], console: Console
) -> None:
    """All of it as tables."""
    minutes = (samples[-1].at - samples[0].at) / 60
    third = len(samples) // 3
    table = Table("MiB", "first third", "last third", "most", title=f"Memory over {minutes:.0f} min")
    for name in ("server", "worker", "runs"):
        values = [getattr(one, name) / MIB for one in samples]
        table.add_row(name, f"{mean(values[:third]):.0f}", f"{mean(values[-third:]):.0f}", f"{max(values):.0f}")
    console.print(table)
    grown = {name: (last.get(name, 0) - first.get(name, 0)) for name in TABLES}
    growth = Table("table", "kB a round", title="Database")
    for name, size in sorted(grown.items(), key=lambda one: -one[1]):
        growth.add_row(name, f"{size / max(len(runs), 1) / 1000:.1f}")
    console.print(growth)
    late = samples[third:]
    rate = (late[-1].live - late[0].live) / max(late[-1].at - late[0].at, 1) * 60 * DAY_MINUTES / MIB
    console.print(
        f"{len(runs)} rounds; the database grows by {rate:.0f} MiB a day before anything is old enough to go."
    )
    ended = [one for one in runs if one.end_time and one.start_time and one.expected_start_time]
    if ended:
        inside = median((one.end_time - one.start_time).total_seconds() for one in ended)  # type: ignore[operator]
        whole = median((one.end_time - one.expected_start_time).total_seconds() for one in ended)  # type: ignore[operator]
        console.print(f"A round takes {inside:.1f} s in the flow, {whole:.1f} s from its scheduled time to its end.")


def _memory(process: Process) -> list[int]:
    """Of a process itself, and of each of its children."""
    found = process.find()
    assert found is not None, f"{process.name} ended; see {process.log}"
    sizes = [found.memory_info().rss]
    for child in found.children(recursive=True):
        try:
            sizes.append(child.memory_info().rss)
        except psutil.NoSuchProcess:  # its run has ended meanwhile
            continue
    return sizes


def _open(settings: Settings) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{settings.home / 'prefect.db'}?mode=ro", uri=True, timeout=30)
