"""What all tests share: Prefect without a server of its own unless a test asks for one."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What shares something large stays in one process, and the largest comes first where there are several.

    In one process the installation comes last: it goes on working while it is there.
    """
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    order = ("prefect", "", "installation") if alone else ("installation", "prefect", "")
    items.sort(key=lambda item: order.index(_group(item) if _group(item) in order else ""))


def _group(item: pytest.Item) -> str:
    if item.get_closest_marker("e2e"):
        return "installation"
    if "prefect" in getattr(item, "fixturenames", ()):
        return "prefect"
    return "sandbox" if "contract/sandbox" in str(item.path) else item.path.stem


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
