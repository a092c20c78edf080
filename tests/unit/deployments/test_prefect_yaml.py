"""`prefect.yaml`: every deployment is a flow of ours that a worker can load and a form can show."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from typing import Any

import pytest
import yaml
from prefect import Flow
from prefect.utilities.callables import parameter_schema
from pydantic import SecretStr

from deployments.server import POOL, ROUNDS_AT_ONCE, Worker, workers
from deployments.settings import ROOT, Settings
from tasks.queues import HEALING, LIMITS, PEOPLE, ROUNDS

DOCUMENT = yaml.safe_load((ROOT / "prefect.yaml").read_text())
DEPLOYMENTS: list[dict[str, Any]] = DOCUMENT["deployments"]
each = pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda one: one["name"])


def flow_of(deployment: dict[str, Any]) -> Flow[..., Any]:
    """The flow that an entrypoint names."""
    module, _, name = deployment["entrypoint"].rpartition(".")
    found: Flow[..., Any] = getattr(import_module(module), name)
    return found


@each
def test_a_deployment_resolves_to_a_flow_of_the_same_name(deployment: dict[str, Any]) -> None:
    assert isinstance(flow_of(deployment), Flow)
    assert flow_of(deployment).name == deployment["name"]


@each
def test_a_deployment_is_named_by_module_and_not_by_file(deployment: dict[str, Any]) -> None:
    assert re.fullmatch(r"flows(\.[a-z_]+){2}", deployment["entrypoint"])


@each
def test_a_deployment_is_described_and_goes_to_our_pool(deployment: dict[str, Any]) -> None:
    assert deployment["description"].endswith(".")
    assert deployment["work_pool"]["name"] == POOL
    assert deployment["tags"]


@each
def test_every_parameter_is_described_in_the_form(deployment: dict[str, Any]) -> None:
    flow = flow_of(deployment)
    properties = parameter_schema(flow.fn).properties
    assert list(properties) == list(inspect.signature(flow.fn).parameters)
    assert [name for name, shown in properties.items() if not shown.get("description")] == []


def test_every_flow_has_a_deployment() -> None:
    written = {path.stem for path in (ROOT / "flows").glob("*.py") if path.stem != "__init__"}
    assert {deployment["entrypoint"].split(".")[1] for deployment in DEPLOYMENTS} == written


def test_no_parameter_of_a_flow_is_a_secret() -> None:
    words = re.compile("token|secret|password|key")
    names = [name for deployment in DEPLOYMENTS for name in inspect.signature(flow_of(deployment).fn).parameters]
    assert [name for name in names if words.search(name)] == []


def test_health_what_is_pending_and_snapshots_are_looked_at_and_nothing_else_runs_by_itself() -> None:
    schedules = [(one["name"], each) for one in DEPLOYMENTS for each in one.get("schedules", [])]
    assert {name: [each["cron"]] for name, each in schedules if each.get("active", True)} == {
        "finish-undeploys": ["*/2 * * * *"],
        "health-check": ["* * * * *"],
        "refresh-snapshots": ["*/5 * * * *"],
        "secure-origins": ["17 * * * *"],
    }


def test_what_is_scheduled_or_heals_has_queues_of_its_own_and_a_worker_that_serves_no_others() -> None:
    queues: dict[str, str] = {one["name"]: one["work_pool"].get("work_queue_name", PEOPLE) for one in DEPLOYMENTS}
    assert {name for name, queue in queues.items() if queue == ROUNDS} == {
        one["name"] for one in DEPLOYMENTS if "schedules" in one
    }
    assert [name for name, queue in queues.items() if queue == HEALING] == ["remediate"]
    settings = Settings(_env_file=None, admin_login=SecretStr("admin:x"))  # type: ignore[call-arg]  # no file is read
    served = [set(worker.queues) for worker in workers(settings).values()]
    assert served == [{PEOPLE}, {ROUNDS, HEALING}]
    assert (LIMITS[HEALING] or ROUNDS_AT_ONCE) < ROUNDS_AT_ONCE, "what heals leaves room for rounds"


def test_a_worker_is_told_its_queues_and_how_much_it_does_at_once() -> None:
    arguments = Worker("one", (ROUNDS, HEALING), 8).arguments()
    assert " ".join(arguments) == (
        "worker start --pool deployer --type process --name one --work-queue rounds --work-queue healing"
        " --limit 8 --install-policy never"
    )


def test_the_file_is_for_the_prefect_that_is_installed() -> None:
    import prefect

    assert DOCUMENT["prefect-version"] == prefect.__version__
