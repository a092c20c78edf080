"""`doctor` on a fleet of fakes: what it reads, what it shows, and that it changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from rich.console import Console

from deployments import doctor, examining
from deployments.settings import Settings
from fleet import naming
from fleet.checkup import Ill, Schedule
from fleet.errors import TransientError
from fleet.state import Rule, TokenFacts
from flows.deploy import deploy
from tests.flows.fleet_of_fakes import Fleet
from tests.histories.runs import AtOnce

SETTINGS = Settings.model_validate({"admin_login": SecretStr("admin:q3YtX0h9-dk2L-long"), "ui_port": 1})


@pytest.fixture(autouse=True)
def controller(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """A controller on which all is well."""
    on_time = [Schedule("health-check", due=datetime.now(UTC))]
    monkeypatch.setattr(examining, "read_schedules", lambda: (on_time, True))
    monkeypatch.setattr(examining, "list_environments", lambda: [fleet.environment()])
    monkeypatch.setattr(examining, "_is_open", lambda _: False)
    monkeypatch.setattr(examining, "ThreadPoolExecutor", AtOnce)


def told(settings: Settings = SETTINGS) -> list[tuple[str, str]]:
    """What is found that is more than a notice, and where."""
    return [(one.where, one.what) for one in examining.examine(settings) if one.severity != "notice"]


def test_a_fleet_that_is_well_has_no_ills_and_looking_changes_nothing(fleet: Fleet) -> None:
    deploy(fleet.service(2))
    before = fleet.changes
    assert told() == []
    assert fleet.changes == before


def test_everything_that_is_wrong_is_found_at_once(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy(fleet.service(2))
    deploy(fleet.service(1))
    monkeypatch.setattr("agent.__version__", "0.2.0")
    wall = fleet.cloud.firewalls.all["deployer-demo.prod"]
    tags = (naming.environment_tag(fleet.environment().spec()),)
    fleet.cloud.firewalls.ensure("for-me", (Rule("22", addresses=("0.0.0.0/0",)),), tags)
    fleet.cloud.account.excess = ("databases",)
    fleet.dns.token = TokenFacts(None, (fleet.dns.zone, "other.com"))
    fleet.dns.add(
        "old.example.localhost",
        "192.0.2.66",
        naming.comment(fleet.cloud.account.read_owner(), fleet.environment().spec(), "old", "demo-prod-gone00"),
    )
    found = dict.fromkeys(
        what for _, what in told(SETTINGS.model_copy(update={"admin_login": SecretStr("admin:admin")}))
    )
    for what in (
        "the password of admin is one that is guessed first",
        "the firewall for-me opens 22 to 0.0.0.0/0",
        "the DigitalOcean token may also read databases",
        "the Cloudflare token sees other zones: other.com",
        "old.example.localhost points at 192.0.2.66, which is no droplet of the account any more",
        "nothing is on it",
    ):
        assert what in found
    assert fleet.cloud.firewalls.all["deployer-demo.prod"] == wall


def test_a_silent_droplet_and_a_cloud_that_does_not_answer_hide_nothing_else(fleet: Fleet) -> None:
    deploy(fleet.service(2))
    fleet.machines[0].silence()
    fleet.cloud.faults.fail("account.read_excess", TransientError("DigitalOcean answers 503."))
    found = told()
    assert ("demo-prod", "it could not be looked at: DigitalOcean answers 503.") in found
    assert [where for where, what in found if what.startswith("its agent cannot be asked")] == [fleet.machines[0].name]


def test_without_its_server_the_settings_are_looked_at_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent() -> Any:
        raise httpx.ConnectError("refused")

    monkeypatch.setattr(examining, "read_schedules", silent)
    weak = SETTINGS.model_copy(update={"admin_login": SecretStr("admin:admin")})
    assert [what.split(" (")[0] for _, what in told(weak)] == [
        "the password of admin is one that is guessed first",
        "the Prefect server cannot be asked",
    ]


def test_the_table_says_what_to_do_and_what_it_costs_and_the_exit_status_whether_something_is_wrong() -> None:
    console = Console(record=True, width=160)
    found = [
        Ill("warning", "nothing is on it", "demo-prod-000001", "Run `undeploy`.", 6.0),
        Ill("notice", "a", "b", "c"),
    ]
    assert doctor.show(found, console) == 1
    text = console.export_text()
    for word in ("warning", "nothing is on it", "demo-prod-000001", "$6.00", "Run `undeploy`.", "costs $6.00 a month"):
        assert word in text
    assert doctor.show(found[1:], console) == 0
    assert doctor.show([], console) == 0
