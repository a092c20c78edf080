"""The installation that the end-to-end and the browser tests share; made once, removed at the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from tests.e2e.lab import DOMAIN, ROOT, Lab, reference, schedule

SECRET = "canary-secret-91c2e7"
SCHEDULED = ("health-check", "finish-undeploys", "refresh-snapshots")
"""A test that wants one to run by itself wakes it."""


@pytest.fixture(scope="session")
def installation() -> Iterator[Lab]:
    """Sandbox, Prefect server and worker."""
    lab = Lab()
    try:
        settings = lab.up()
        access = {PREFECT_API_URL: f"{settings.ui_url}/api", PREFECT_API_AUTH_STRING: lab.login}
        # Over those of the test harness, which other tests may have started in this process.
        with temporary_settings(access):
            for flow in SCHEDULED:
                schedule(flow, active=False)
            yield lab
    finally:
        lab.visitor.close()
        lab.down()


@pytest.fixture(scope="session")
def snapshots(installation: Lab) -> dict[str, str]:
    """Both snapshots, made by the flow; their ids by kind."""
    from blocks.snapshot import Snapshot

    where = {"environment": reference("environment", "lab-prod")}
    base = installation.run("build-snapshot", **where, name="lab-base", kind="base")
    assert base.completed, base.log
    folder = {"base": reference("snapshot", "lab-base"), "context": str(ROOT / "examples" / "base")}
    custom = installation.run("build-snapshot", **where, name="lab-python", kind="custom", **folder)
    assert custom.completed, custom.log
    return {
        kind: cast(Snapshot, Snapshot.load(name)).snapshot_id
        for kind, name in (("base", "lab-base"), ("custom", "lab-python"))
    }


@pytest.fixture(scope="session")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example service that a test may change into a new release."""
    folder = tmp_path_factory.mktemp("hello")
    for path in (ROOT / "examples" / "hello").iterdir():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.fixture(scope="session")
def lab(installation: Lab, snapshots: dict[str, str], context: Path) -> Lab:
    """The installation with the example service on two droplets."""
    from blocks.environment import Environment
    from blocks.service import Service
    from blocks.snapshot import Snapshot

    environment = cast(Environment, Environment.load("lab-prod"))
    environment.snapshot = cast(Snapshot, Snapshot.load("lab-python"))
    environment.save("lab-prod", overwrite=True)
    service = Service.model_validate(
        {
            "name": "hello",
            "environment": Environment.load("lab-prod"),
            "image": {"kind": "build", "context": str(context)},
            "runs": {"kind": "web", "port": 8080, "domains": [DOMAIN], "health_path": "/health", "start_seconds": 20},
            "replicas": 2,
            "secrets": {"API_KEY": SECRET},
        }
    )
    service.save("hello", overwrite=True)
    deployed = installation.run("deploy", service=reference("service", "hello"))
    assert deployed.completed, deployed.log
    return installation
