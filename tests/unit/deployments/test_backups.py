"""A controller in a file and back: on the server that it came from, and on an empty one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, VariableCreate
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule
from pydantic import SecretStr
from rich.console import Console

from blocks.cloudflare import CloudflareCredentials
from blocks.digitalocean import DigitalOceanCredentials
from blocks.environment import Environment
from blocks.service import Service
from deployments import backups, contents, documents, gathering, registered, restoring, sealed
from deployments.__main__ import parser
from deployments.settings import Settings
from fleet.errors import InvalidInput
from tests.unit.blocks import examples

pytestmark = pytest.mark.usefixtures("prefect", "server")
PASSPHRASE, SECRET = "correct horse battery", "hunter2-the-password"
KINDS = ("service", "environment", "snapshot", "digitalocean-credentials", "cloudflare-credentials")
SETTINGS = Settings.model_validate({"admin_login": SecretStr("admin:x"), "project": "shop"})


def empty() -> None:
    """As a new database is."""
    with get_client(sync_client=True) as client:
        for kind in KINDS:
            for one in client.read_block_documents_by_type(kind):
                client.delete_block_document(one.id)
        for variable in client.read_variables():
            client.delete_variable_by_name(variable.name)
        for deployment in client.read_deployments():
            client.delete_deployment(deployment.id)


@pytest.fixture
def server(prefect: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A controller that a person has filled in: nested blocks, a variable, and a schedule that was changed."""
    monkeypatch.setattr(sealed, "COST", 1 << 4)
    monkeypatch.setenv(backups.VARIABLE, PASSPHRASE)
    asyncio.run(documents.ensure_types())
    empty()
    fill()
    yield
    empty()


def fill() -> None:
    """What is worth keeping."""
    examples.digitalocean().save("digitalocean", overwrite=True)
    examples.cloudflare().save("cloudflare", overwrite=True)
    where = examples.environment(
        digitalocean=DigitalOceanCredentials.load("digitalocean"),
        cloudflare=CloudflareCredentials.load("cloudflare"),
        snapshot=None,
    )
    where.save("demo-prod", overwrite=True)
    examples.service(environment=Environment.load("demo-prod"), secrets={"API_KEY": SECRET}).save("hello")
    with get_client(sync_client=True) as client:
        client.create_variable(VariableCreate(name="motto", value={"a": [1]}, tags=["mine"]))
        deployment(cron="0 4 * * *")


def deployment(cron: str) -> None:
    """A deployment with a schedule."""
    with get_client(sync_client=True) as client:
        made = client.create_deployment(client.create_flow_from_name("tidy"), "tidy")
        given = DeploymentScheduleCreate(schedule=CronSchedule(cron=cron), active=False, slug="nightly")
        for old in client.read_deployment_schedules(made):
            client.delete_deployment_schedule(made, old.id)
        client.create_deployment_schedules(made, [given])


def run(command: str, path: Path, *more: str) -> tuple[int, str]:
    """One of the commands; its exit status, and what it printed."""
    console = Console(record=True, width=200)
    status = getattr(backups, command)(SETTINGS, parser().parse_args([command, str(path), *more]), console)
    return status, console.export_text()


def known() -> contents.Contents:
    """What the server has now."""
    return gathering.gather("").model_copy(update={"made_at": None})


def test_an_empty_controller_becomes_what_it_was_with_every_secret(tmp_path: Path) -> None:
    path, before = tmp_path / "controller.backup", known()
    assert run("backup", path)[0] == 0
    assert path.stat().st_mode & 0o777 == 0o600
    for secret in (SECRET, examples.DIGITALOCEAN_TOKEN, "demo-prod"):
        assert secret.encode() not in path.read_bytes()
    empty()
    deployment(cron="0 0 * * *")  # as `up` registers it
    status, told = run("restore", path)
    assert status == 0, told
    assert known() == before
    found = cast(Service, Service.load("hello"))
    assert found.spec().secrets == {"API_KEY": SECRET}
    assert found.environment.digitalocean.token.get_secret_value() == examples.DIGITALOCEAN_TOKEN
    assert found.environment._block_document_name == "demo-prod", "it refers to the block, and is no copy of it"
    assert SECRET not in told


def test_a_second_restore_changes_nothing_and_what_the_file_does_not_name_stays(tmp_path: Path) -> None:
    path = tmp_path / "controller.backup"
    run("backup", path)
    examples.snapshot().save("later", overwrite=True)
    before = known()
    status, told = run("restore", path)
    assert (status, known()) == (0, before)
    assert {line.rpartition(": ")[2] for line in told.splitlines()[1:]} == {restoring.UNCHANGED}


def test_what_was_changed_since_is_brought_back_and_a_dry_run_only_says_so(tmp_path: Path) -> None:
    path, before = tmp_path / "controller.backup", known()
    run("backup", path)
    hello = cast(Service, Service.load("hello"))
    hello.replicas, hello.variables = 7, {"NEW": "1"}
    hello.save("hello", overwrite=True)
    with get_client(sync_client=True) as client:
        there = client.read_deployment_by_name("tidy/tidy")
        every = DeploymentScheduleCreate(schedule=IntervalSchedule(interval=timedelta(hours=1)), slug="hourly")
        client.create_deployment_schedules(there.id, [every])
        client.pause_deployment(there.id)
    changed = known()
    status, told = run("restore", path, "--dry-run")
    assert (status, known()) == (0, changed)
    assert "Nothing was changed." in told
    for line in ("Block service/hello: changed", "Deployment tidy/tidy: its schedules changed"):
        assert line in told
        assert line in run("restore", path)[1] or known() == before
    assert known() == before


def test_a_restore_that_was_cut_off_is_finished_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, before = tmp_path / "controller.backup", known()
    run("backup", path)
    empty()
    deployment(cron="0 0 * * *")
    with monkeypatch.context() as patch:
        patch.setattr(restoring.Restore, "variable", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run("restore", path)
    assert run("restore", path)[0] == 0
    assert known() == before


def test_what_this_server_cannot_have_is_left_out_and_told(tmp_path: Path) -> None:
    path = tmp_path / "controller.backup"
    held = gathering.gather("")
    odd = contents.Document(at=contents.Reference(kind="of-tomorrow", name="x"), data={})
    lonely = contents.Document(
        at=contents.Reference(kind="service", name="lonely"),
        data={},
        refers={"environment": contents.Reference(kind="environment", name="nowhere")},
    )
    gone = contents.Deployment(flow="gone", name="gone", paused=False)
    held = held.model_copy(update={"documents": (odd, lonely), "deployments": (gone,), "variables": ()})
    path.write_bytes(sealed.seal(contents.pack(held), PASSPHRASE))
    status, told = run("restore", path)
    assert status == 1
    assert "Block of-tomorrow/x: left out, as this server has no blocks of that type" in told
    assert "Block service/lonely: left out, as environment/nowhere is not there" in told
    assert "Deployment gone/gone: left out" in told


def test_a_wrong_passphrase_a_damaged_file_and_a_folder_are_refused_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, before = tmp_path / "controller.backup", known()
    run("backup", path)
    whole = path.read_bytes()
    cases: dict[str, Any] = {"damaged": whole[:-1], "no backup": b"{}"}
    for said, content in cases.items():
        path.write_bytes(content)
        with pytest.raises(InvalidInput, match=said):
            run("restore", path)
    with pytest.raises(InvalidInput, match="is there, and no backup"):
        run("backup", path)
    with pytest.raises(InvalidInput, match="There is no folder"):
        run("backup", tmp_path / "nowhere" / "x")
    path.write_bytes(whole)
    other = tmp_path / "passphrase"
    other.write_text("another one of mine\n")
    with pytest.raises(InvalidInput, match="does not open with this passphrase"):
        run("restore", path, "--passphrase-file", str(other))
    monkeypatch.setenv(backups.VARIABLE, "short")
    with pytest.raises(InvalidInput, match="has 5 characters"):
        run("backup", path)
    assert (path.read_bytes(), known()) == (whole, before)


def test_schedules_that_were_restored_count_as_registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registered, "ROOT", tmp_path)
    (tmp_path / "prefect.yaml").write_text("deployments: [{name: tidy}]")
    asyncio.run(registered.mark())
    path = tmp_path / "controller.backup"
    run("backup", path)
    with get_client(sync_client=True) as client:
        there = client.read_deployment_by_name("tidy/tidy")
        client.delete_deployment_schedule(there.id, client.read_deployment_schedules(there.id)[0].id)
    asyncio.run(registered.mark())
    assert "its schedules changed" in run("restore", path)[1]
    assert asyncio.run(registered.is_current())
