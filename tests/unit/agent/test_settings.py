"""What the agent reads when it starts."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from agent.server import settings
from agent.server.settings import NotReady

SECRET, BOOT = "ab" * 32, "cd" * 32


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    for name in ("REQUIRE_AUTH_ALWAYS", "VPC_RANGES"):
        monkeypatch.delenv(name, raising=False)
    etc, state = tmp_path / "etc", tmp_path / "state"
    etc.mkdir()
    state.mkdir()
    (etc / "droplet").write_text("demo-prod-3f9a1c\n")
    (etc / "boot.key").write_text(f"{BOOT}\n")
    return etc, state


def test_a_droplet_with_only_its_boot_secret_is_not_enrolled(folders: tuple[Path, Path]) -> None:
    found = settings.load(*folders)
    assert (found.droplet, found.secret, found.enrolled) == ("demo-prod-3f9a1c", BOOT, False)


def test_its_own_secret_goes_before_a_boot_secret_that_is_still_there(folders: tuple[Path, Path]) -> None:
    (folders[1] / "secret").write_text(SECRET)
    found = settings.load(*folders)
    assert (found.secret, found.enrolled) == (SECRET, True)


@pytest.mark.parametrize("missing", ["droplet", "boot.key"])
def test_a_droplet_without_a_name_or_a_secret_is_not_ready_and_says_what_lacks(
    folders: tuple[Path, Path], missing: str
) -> None:
    (folders[0] / missing).unlink()
    with pytest.raises(NotReady, match=missing):
        settings.load(*folders)


def test_the_secret_is_not_in_what_is_printed_of_the_settings(folders: tuple[Path, Path]) -> None:
    assert BOOT not in repr(settings.load(*folders))


@pytest.mark.parametrize(
    ("line", "always"),
    [
        ("", True),
        ("REQUIRE_AUTH_ALWAYS=", True),
        ("REQUIRE_AUTH_ALWAYS=true", True),
        ("REQUIRE_AUTH_ALWAYS=1", True),
        ("REQUIRE_AUTH_ALWAYS=False", False),
        ("REQUIRE_AUTH_ALWAYS='no'", False),
        ("#REQUIRE_AUTH_ALWAYS=false", True),
    ],
)
def test_the_key_is_demanded_always_unless_the_switch_says_no(
    folders: tuple[Path, Path], line: str, always: bool
) -> None:
    (folders[0] / "agent.env").write_text(f"# switches\n{line}\n")
    assert settings.load(*folders).require_auth_always is always


def test_the_environment_goes_before_the_file(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    (folders[0] / "agent.env").write_text("REQUIRE_AUTH_ALWAYS=true\nVPC_RANGES=10.1.0.0/16\n")
    monkeypatch.setenv("REQUIRE_AUTH_ALWAYS", "false")
    found = settings.load(*folders)
    assert found.require_auth_always is False
    assert found.vpc_ranges == (ipaddress.ip_network("10.1.0.0/16"),)


@pytest.mark.parametrize("line", ["REQUIRE_AUTH_ALWAYS=perhaps", "VPC_RANGES=10.0.0.0/33", "VPC_RANGES=everyone"])
def test_a_switch_that_means_nothing_is_no_default_but_an_error(folders: tuple[Path, Path], line: str) -> None:
    (folders[0] / "agent.env").write_text(line)
    with pytest.raises(ValueError, match=r"perhaps|10\.0\.0\.0/33|everyone"):
        settings.load(*folders)


def test_by_default_the_vpc_is_what_is_private(folders: tuple[Path, Path]) -> None:
    expected = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
    assert settings.load(*folders).vpc_ranges == tuple(map(ipaddress.ip_network, expected))
