from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from deployments import profile, settings


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(settings, "ROOT", tmp_path)
    monkeypatch.delenv("DEPLOYER_ADMIN_LOGIN", raising=False)
    return tmp_path


def test_the_first_use_makes_a_private_file_with_a_random_login(root: Path) -> None:
    login = settings.load().admin_login.get_secret_value()
    assert login.startswith("admin:")
    assert len(login) > len("admin:") + 12
    assert stat.S_IMODE((root / ".env").stat().st_mode) == 0o600


def test_the_second_use_finds_the_same_login(root: Path) -> None:
    assert settings.load().admin_login == settings.load().admin_login


def test_the_login_is_not_in_the_settings_text(root: Path) -> None:
    loaded = settings.load()
    assert loaded.admin_login.get_secret_value().split(":")[1] not in repr(loaded)


def test_remembering_keeps_what_a_person_wrote(root: Path) -> None:
    (root / ".env").write_text("# mine\nDEPLOYER_REGION=ams3\n")
    settings.remember(root / ".env", {"DEPLOYER_REGION": "fra1", "DEPLOYER_SIZE": "s-2vcpu-2gb"})
    assert (root / ".env").read_text() == "# mine\nDEPLOYER_REGION=ams3\nDEPLOYER_SIZE=s-2vcpu-2gb\n"


def test_the_profile_is_private_and_holds_what_a_script_needs(tmp_path: Path) -> None:
    path = profile.write(tmp_path, {"PREFECT_API_URL": "http://127.0.0.1:4200/api", "PREFECT_API_AUTH_STRING": 'a:"b'})
    assert tomllib.loads(path.read_text()) == {
        "active": "deployer",
        "profiles": {"deployer": {"PREFECT_API_URL": "http://127.0.0.1:4200/api", "PREFECT_API_AUTH_STRING": 'a:"b'}},
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_folder_of_prefects_database_is_closed_to_other_users_even_if_it_was_open(tmp_path: Path) -> None:
    home = tmp_path / "prefect"
    home.mkdir(mode=0o755)
    profile.write(home, {})
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_remembering_makes_the_file_private_also_when_a_person_made_it_readable(root: Path) -> None:
    (root / ".env").write_text("DEPLOYER_REGION=ams3\n")
    (root / ".env").chmod(0o644)
    settings.remember(root / ".env", {"DEPLOYER_DIGITALOCEAN_TOKEN": "secret"})
    assert stat.S_IMODE((root / ".env").stat().st_mode) == 0o600


def test_remembering_twice_writes_once(root: Path) -> None:
    for value in ("one", "two"):
        settings.remember(root / ".env", {"DEPLOYER_REGION": value})
    assert (root / ".env").read_text() == "DEPLOYER_REGION=one\n"


def test_a_variable_goes_before_the_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.remember(root / ".env", {"DEPLOYER_ADMIN_LOGIN": "admin:file", "DEPLOYER_REGION": "ams3"})
    monkeypatch.setenv("DEPLOYER_REGION", "fra1")
    assert settings.load().region == "fra1"


def test_a_login_in_the_environment_needs_no_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPLOYER_ADMIN_LOGIN", "admin:given")
    assert settings.load().admin_login.get_secret_value() == "admin:given"
    assert not (root / ".env").exists()


def test_addresses_are_read_as_a_list(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPLOYER_CONTROLLER_ADDRESSES", '["203.0.113.7/32", "2001:db8::/64"]')
    assert settings.load().controller_addresses == ("203.0.113.7/32", "2001:db8::/64")


@pytest.mark.parametrize(("name", "value"), [("UI_PORT", "0"), ("UI_PORT", "http"), ("RUNS", "101")])
def test_a_setting_that_cannot_be_is_named(root: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"DEPLOYER_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        settings.load()


def test_no_token_is_in_the_settings_text(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPLOYER_DIGITALOCEAN_TOKEN", "dop_v1_x")
    monkeypatch.setenv("DEPLOYER_CLOUDFLARE_TOKEN", "cf-x")
    loaded = settings.load()
    assert "dop_v1_x" not in f"{loaded!r} {loaded.model_dump_json()}"
    assert "cf-x" not in f"{loaded!r} {loaded.model_dump_json()}"
