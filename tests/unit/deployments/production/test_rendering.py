"""What is rendered from the settings: units, a Compose file, variables, certificates, people."""

from __future__ import annotations

import itertools
import shlex
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from deployments.production import certificates, compose, gateway, people, units
from deployments.production.parts import Part, migration, parts
from deployments.production.rendering import variables
from deployments.production.roles import Role
from deployments.production.settings import ProductionSettings, load
from fleet.errors import InvalidInput
from tasks.queues import LIMITS, PEOPLE

SECRETS = ("canary-admin", "canary-machine", "canary-redis", "canary-database")


@pytest.fixture
def settings(tmp_path: Path) -> ProductionSettings:
    """With secrets that can be looked for."""
    return ProductionSettings(  # type: ignore[call-arg]  # not an .env of this checkout
        _env_file=None,
        admin_login=SecretStr("admin:canary-admin"),
        machine_login=SecretStr("machine:canary-machine"),
        redis_password=SecretStr("canary-redis"),
        database_url=SecretStr("postgresql+asyncpg://deployer:canary-database@127.0.0.1/deployer"),
        place=tmp_path,
    )


def test_api_servers_and_workers_are_two_and_services_and_rounds_apart(settings: ProductionSettings) -> None:
    names = [part.name.removeprefix("deployer-") for part in parts(settings)]
    assert names == ["redis", "api-1", "api-2", "gateway", "services", "worker-1", "worker-2", "rounds"]
    assert all("--no-services" in part.command for part in parts(settings) if "-api-" in part.name)


def test_no_worker_that_people_may_fill_with_waiting_runs_is_one_of_the_rounds(settings: ProductionSettings) -> None:
    served = {part.name: queues(part) for part in parts(settings) if "worker" in part.command}
    assert served["deployer-worker-1"] == served["deployer-worker-2"] == {PEOPLE}
    assert served["deployer-rounds"] == {*LIMITS} - {PEOPLE}


def queues(part: Part) -> set[str]:
    """What a worker serves."""
    return {word for asked, word in itertools.pairwise(part.command) if asked == "--work-queue"}


def test_a_worker_knows_neither_the_database_nor_redis(settings: ProductionSettings) -> None:
    worker = variables(parts(settings)[-1])
    assert "canary-machine" in worker
    assert "canary-database" not in worker
    assert "canary-redis" not in worker
    assert "canary-admin" not in worker


def test_nobody_but_the_gateways_password_file_knows_the_admin(settings: ProductionSettings) -> None:
    assert not [part for part in (*parts(settings), migration(settings)) if "canary-admin" in variables(part)]


def test_no_secret_is_in_a_command_a_unit_or_the_compose_file(settings: ProductionSettings) -> None:
    texts = [file.text for file in units.units(settings)] + [compose.render(settings)]
    texts += [" ".join(part.command) for part in parts(settings)]
    assert not [word for word in SECRETS for text in texts if word in text]


def test_a_workers_runs_outlive_its_unit(settings: ProductionSettings) -> None:
    for part in parts(settings):
        assert ("KillMode=process" in units.unit(settings, part)) is part.ends_alone


def test_only_the_gateway_starts_as_root(settings: ProductionSettings) -> None:
    rooted = [part.name for part in parts(settings) if f"User={units.USER}" not in units.unit(settings, part)]
    assert rooted == ["deployer-gateway"]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not on this machine")
def test_systemd_finds_nothing_wrong_with_the_units(settings: ProductionSettings, tmp_path: Path) -> None:
    for file in units.units(settings, tmp_path):
        file.path.write_text(file.text.replace(f"User={units.USER}\nGroup={units.USER}\n", ""))
    for part in parts(settings):
        (tmp_path / f"{part.name}.env").touch()
    command = ["systemd-analyze", "verify", *(str(path) for path in sorted(tmp_path.glob("*.service")))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    ours = [line for line in done.stderr.splitlines() if "deployer" in line and "not executable" not in line]
    assert ours == []


def test_every_part_is_a_service_of_the_compose_file_and_only_the_gateways_port_is_open(
    settings: ProductionSettings,
) -> None:
    document = yaml.safe_load(compose.render(settings))["services"]
    for part in parts(settings):
        assert document[part.name]["command"][-2:] == ["run", part.name]
        assert document[part.name]["network_mode"] == "service:network"
    assert [name for name, one in document.items() if "ports" in one] == ["network"]
    assert document["network"]["ports"] == [f"{settings.gateway_port}:{settings.gateway_port}"]


def test_whatever_waits_in_the_compose_file_waits_for_something_in_it(settings: ProductionSettings) -> None:
    document = yaml.safe_load(compose.render(settings))["services"]
    awaited = {name for one in document.values() for name in one.get("depends_on", {})}
    assert awaited <= set(document)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_a_variable_reads_back_as_it_was(value: str) -> None:
    # systemd reads double quotes as POSIX does, but for dollar signs, which it leaves alone in files.
    assert shlex.split(variables(Part("x", (), {"NAME": value}))) == [f"NAME={value}"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"gateway_name": "x; include /etc/shadow"},
        {"gateway_address": "0.0.0.0; root /"},
        {"api_ports": (4211,)},
        {"workers": 0},
        {"redis_port": 0},
    ],
)
def test_a_setting_that_could_do_harm_in_a_file_is_refused(
    settings: ProductionSettings, wrong: dict[str, object]
) -> None:
    told = settings.model_dump(exclude={"state", "public_addresses"})
    with pytest.raises(ValidationError):
        ProductionSettings(_env_file=None, **{**told, **wrong})  # type: ignore[call-arg]


def test_secrets_are_made_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DEPLOYER_ADMIN_LOGIN", "DEPLOYER_MACHINE_LOGIN", "DEPLOYER_REDIS_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    first = load(tmp_path / ".env")
    assert load(tmp_path / ".env") == first
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    assert first.api_login == first.machine_login != first.admin_login


def test_a_certificate_is_good_for_its_name_until_two_months_before_its_end() -> None:
    now = datetime(2026, 11, 24, tzinfo=UTC)
    pem, _ = certificates.signed_by_itself("controller.example.com", now)
    assert certificates.is_good(pem, "controller.example.com", now)
    assert not certificates.is_good(pem, "other.example.com", now)
    assert not certificates.is_good(pem, "controller.example.com", now + timedelta(days=certificates.DAYS - 59))
    assert not certificates.is_good("nothing", "controller.example.com", now)
    address, _ = certificates.signed_by_itself("203.0.113.7", now)
    assert certificates.is_good(address, "203.0.113.7", now)


def test_a_person_is_let_in_anew_and_put_out_twice(settings: ProductionSettings) -> None:
    first, second = (people.let_in(settings, "otto", Role.OPERATOR) for _ in range(2))
    assert first != second
    people.let_in(settings, "otto", Role.VIEWER)
    assert [(one.name, one.role) for one in people.everybody(settings)] == [("admin", "admin"), ("otto", "viewer")]
    assert [people.put_out(settings, "otto") for _ in range(2)] == [True, False]


def test_a_password_is_kept_as_a_hash_in_a_private_file(settings: ProductionSettings) -> None:
    password = people.let_in(settings, "vera", Role.VIEWER)
    kept = settings.place / "people.json"
    assert password not in kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o600
    person = people.everybody(settings)[-1]
    assert people.hashed(password, person.hashed.split("$")[2]) == person.hashed


def test_the_admins_hash_stays_while_the_password_does(settings: ProductionSettings) -> None:
    written = gateway.passwords(people.everybody(settings))
    assert gateway.passwords(people.everybody(settings, known=written)) == written


@pytest.mark.parametrize("name", ["admin", "machine", "Otto", "a b", "x" * 33, "otto:", "", "-x"])
def test_what_cannot_be_a_login_is_refused(settings: ProductionSettings, name: str) -> None:
    with pytest.raises(InvalidInput):
        people.let_in(settings, name, Role.VIEWER)
