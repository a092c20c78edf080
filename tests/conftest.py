"""What all tests share: Prefect without a server of its own unless a test asks for one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # it has no types

os.environ.setdefault("PREFECT_LOGGING_TO_API_ENABLED", "false")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")
# A third of the time of a run is spent by what no test here looks at; the installation has it all.
for _service in (
    "EVENT_PERSISTER",
    "EVENT_LOGGER",
    "TASK_RUN_RECORDER",
    "TRIGGERS",
    "SCHEDULER",
    "LATE_RUNS",
    "CANCELLATION_CLEANUP",
    "PAUSE_EXPIRATIONS",
    "FOREMAN",
):
    os.environ.setdefault(f"PREFECT_SERVER_SERVICES_{_service}_ENABLED", "false")


# What CI says of a change must not depend on its luck; at a developer's, every run tries other examples.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

pytest_plugins = ["tests.installation"]
GROUPS = {
    "installation": ("tests/e2e/", "tests/browser/"),
    "prefect": ("tests/flows/", "tests/unit/blocks/", "tests/unit/deployments/", "tests/unit/tasks/"),
    "sandbox": ("tests/contract/sandbox/",),
}
"""What tests share that is large, and where they are; the first that fits."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of several processes, one begins with the installation and one with Prefect: they take longest.

    In one process the installation comes last: it goes on working while it is there. What takes its service away
    comes after all that needs it.
    """
    several = "PYTEST_XDIST_WORKER" in os.environ
    order = ("installation", "prefect", "") if several else ("prefect", "", "installation")
    items.sort(key=lambda item: order.index(found if (found := group(item.nodeid)) in order else ""))
    items.sort(key=lambda item: item.nodeid.startswith("tests/e2e/test_undeploy"))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Where there are several processes: what shares something large stays in one."""
    return _Groups(config, log)


class _Groups(LoadScopeScheduling):  # type: ignore[misc]  # see its import
    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)


def group(nodeid: str) -> str:
    """What a test belongs to: what it shares with others, or else its file."""
    shared = (name for name, places in GROUPS.items() if nodeid.startswith(places))
    return next(shared, nodeid.partition("::")[0])


@pytest.fixture(scope="session")
def prefect() -> Iterator[None]:
    """A Prefect server with an empty database, for the tests that run tasks or flows in this process."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    # Nobody watches these runs, and a heart that beats costs each of them up to a second at its end.
    with (
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
        prefect_test_harness(server_startup_timeout=120),
    ):
        yield
