"""The fast lane: flows, steps and agents as they are, without Prefect's engine, sockets of agents, or waiting.

`tests/flows/test_fast_lane.py` runs the same scenarios on both lanes, and finds the same changes in the same order.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from prefect import Flow, Task

from tasks.visits import Answer
from tests.flows.fleet_of_fakes import Fleet, open_fleet
from tests.flows.machines import Machine
from tests.histories.agents import Agents
from tests.histories.runs import SILENT, AtOnce, Renewals, Runs, right_away
from tests.histories.times import LEASE_SECONDS, Time

LOGGING = (
    "approvals",
    "base_images",
    "bases",
    "builds",
    "deploy_report",
    "drills.injecting",
    "healing.considering",
    "healing.handover",
    "healing.orders",
    "healing.outcomes",
    "healing.replacing",
    "healing.retiring",
    "heartbeats",
    "images",
    "kept",
    "locks",
    "maintenance",
    "manifests",
    "maintenance_report",
    "moves",
    "notices",
    "origins",
    "peers",
    "plans",
    "policy",
    "releases",
    "removal",
    "roll_report",
    "rolls",
    "rotation",
    "rotation_report",
    "soak_rollbacks",
    "soaks",
    "tombstones",
    "vigils",
    "workbench",
)
TIMED = (
    "agent.client.session",
    "agent.server.images",
    "agent.server.slots",
    "tasks.deploy_report",
    "tasks.dns",
    "tasks.drills.watching",
    "tasks.healing.replacing",
    "tasks.leftovers",
    "tasks.locks",
    "tasks.policy",
    "tasks.reports",
    "tasks.rollouts",
    "tasks.waits",
)
DATED = (
    "tasks.benches",
    "tasks.healing.retiring",
    "agent.server.drills",
    "tasks.drills.injecting",
    "tasks.drills.report",
    "tasks.manifests",
    "tasks.peers",
    "tasks.plans",
    "tasks.removal",
    "tasks.soaks",
    "tasks.vigils",
)
POOLED = (
    "tasks.healing.exhibits",
    "tasks.healing.handover",
    "tasks.healing.selftest",
    "tasks.healing.worlds",
    "tasks.jobs",
    "tasks.kept",
    "tasks.leftovers",
    "tasks.locks",
    "tasks.manifests",
    "tasks.plans",
    "tasks.rolls",
    "tasks.room",
    "tasks.vigils",
    "tasks.weights",
    "agent.server.work",
)


class Quiet:
    """Where visitors of a fast fleet come in: nothing listens."""

    server_port = 80

    def close(self) -> None:
        """Nothing to end."""


class Lane:
    """What a test holds of the lane; `fleet` is the one that is open."""

    def __init__(self) -> None:
        self.time = Time()
        self.runs, self.agents = Runs(self.time), Agents(self.time)
        self.fleet: Fleet
        self.listeners: list[Callable[[str], None]] = []
        """Are told of each call of a cloud, and of each change by an agent, before it happens; they may raise."""

    @contextmanager
    def open(self, folder: Path) -> Iterator[Fleet]:
        """A fleet whose agents are asked in memory."""
        self.agents.machines.clear()
        self.listeners.clear()
        self.time.begin()
        self.runs.begin()
        with open_fleet(folder, self.agents.boot, lambda _: Quiet()) as self.fleet:
            self.fleet.droplets.clock = self.time.now
            self.fleet.cloud.faults.watch = self.fleet.dns.faults.watch = self.agents.watch = self.tell
            yield self.fleet

    def tell(self, call: str) -> None:
        """Something is about to happen."""
        for listen in list(self.listeners):
            listen(call)

    def sleep_through(self, call: Callable[[], None]) -> None:
        """The run that goes on sleeps until all its locks are over, and through another one."""
        renewals, self.time.renewals = self.time.renewals, []
        self.time.sleep(LEASE_SECONDS)
        call()
        self.time.renewals = renewals

    @property
    def standing(self) -> list[Machine]:
        """The machines of the droplets that are there, and whose agents answer."""
        there = {one.name for one in self.fleet.droplets.all.values()}
        return [one for one in self.fleet.machines if one.name in there and one.answers]

    def visit(self, url: str) -> Answer:
        """A visitor's request at the edge; stands in for `tasks.visits.get`."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        worst = max((status for status, _ in self.fleet.visit(host, parts.path)), default=530)
        waits = self.fleet.waits(host) if worst == HTTPStatus.SERVICE_UNAVAILABLE else ()
        return Answer(worst, ", ".join(sorted(waits)))


@contextmanager
def open_lane() -> Iterator[Lane]:
    """The fast lane for as long as the block lasts; nothing in it may need Prefect itself."""
    with pytest.MonkeyPatch.context() as patch:
        _without_threads(patch)
        lane = Lane()
        _without_prefect(patch, lane.runs)
        _without_waiting(patch, lane.time)
        _without_sockets(patch, lane)
        try:
            yield lane
        finally:
            lane.agents.close()


def _without_prefect(patch: pytest.MonkeyPatch, runs: Runs) -> None:
    patch.setattr(Flow, "__call__", lambda flow, *args, **kwargs: runs.call(flow, args, kwargs))
    patch.setattr(Task, "__call__", lambda step, *args, **kwargs: runs.attempt(step, args, kwargs))
    patch.setattr(Task, "submit", lambda step, *args, **kwargs: runs.submit(step, args, kwargs))
    patch.setattr(Task, "map", lambda step, *args: runs.map(step, args))
    for name in ("healing.considering", "healing.outcomes", "locks"):
        patch.setattr(f"tasks.{name}.flow_run", runs.now)
    patch.setattr("tasks.plans.secrets", SimpleNamespace(token_hex=runs.seed))
    patch.setattr("tasks.reports.create_markdown_artifact", runs.publish)
    # Documents are Prefect's: tests that look at them run through it.
    patch.setattr("tasks.kept._mirror", lambda *_: None)
    patch.setattr("tasks.mirrors._mirror", lambda *_: None)
    patch.setattr("tasks.mirrors.documents", dict)
    for name in ("former_tokens", "mirrors", "pruning"):
        patch.setattr(f"tasks.{name}.list_environments", list)
    for name in LOGGING:
        patch.setattr(f"tasks.{name}.get_run_logger", lambda: SILENT)


def _without_waiting(patch: pytest.MonkeyPatch, time: Time) -> None:
    for name in TIMED:
        patch.setattr(f"{name}.time", time)
    for name in DATED:
        patch.setattr(f"{name}.datetime", time)
    for name in ("drills", "leases", "pauses"):
        patch.setattr(f"agent.server.{name}.moment", time.moment)
    patch.setattr(logging.getLogger("agent"), "disabled", True)
    patch.setattr(os, "fsync", lambda _: None)  # nobody pulls the plug of this disk


def _without_threads(patch: pytest.MonkeyPatch) -> None:
    for name in POOLED:
        patch.setattr(f"{name}.ThreadPoolExecutor", AtOnce)
    for name in ("fastapi.routing", "starlette._exception_handler"):
        patch.setattr(f"{name}.run_in_threadpool", right_away)


def _without_sockets(patch: pytest.MonkeyPatch, lane: Lane) -> None:
    patch.setattr("tasks.locks.Thread", lambda target, **_: Renewals(lane.runs, target))
    patch.setattr("agent.client.session.open_http", lane.agents.open_http)
    patch.setattr("tasks.visits.get", lane.visit)
