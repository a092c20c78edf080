"""Another token of a provider: examined before anything changes, and nothing of the fleet is cut off by it."""

from __future__ import annotations

import io
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr
from rich.console import Console

from agent import keys
from blocks.cloudflare import CloudflareCredentials
from blocks.digitalocean import DigitalOceanCredentials
from deployments import documents, tokens
from deployments.settings import Settings
from fleet.errors import InvalidInput, Refused
from fleet.state import TokenFacts
from tests.fakes.clouds import FakeCloudflare, FakeDigitalOcean

OLD, NEW, THIRD = "dop_v1_old", "dop_v1_new", "dop_v1_third"
CF_OLD, CF_NEW = "cf-old", "cf-new"
REVOKED = Refused("DigitalOcean refuses the token: Unable to authenticate you.", hint="")


def credentials(token: str, **known: str) -> DigitalOceanCredentials:
    """The block."""
    return DigitalOceanCredentials.model_validate({"token": token, **known})


def test_a_new_token_keeps_the_old_one_as_the_former_and_the_seed_that_followed_from_it() -> None:
    found = documents.succeed(credentials(OLD), credentials(NEW))
    assert (found.token, found.former_token) == (SecretStr(NEW), SecretStr(OLD))
    assert found.seed_value() == keys.seed(OLD)
    again = documents.succeed(found, credentials(THIRD))
    assert again.former_token == SecretStr(NEW)
    assert again.seed_value() == keys.seed(OLD)


def test_the_same_token_changes_nothing() -> None:
    kept = documents.succeed(credentials(OLD), credentials(NEW))
    assert documents.succeed(kept, credentials(NEW)) == kept
    assert documents.succeed(credentials(OLD), credentials(OLD)) == credentials(OLD)


def test_an_empty_database_takes_the_seed_of_the_settings() -> None:
    assert documents.succeed(credentials(NEW), credentials(NEW, seed="ab" * 32)).seed_value() == "ab" * 32


def test_a_token_of_another_team_is_refused() -> None:
    with pytest.raises(InvalidInput, match="another DigitalOcean team"):
        tokens.examine_digitalocean(FakeDigitalOcean().account, frozenset({"000000"}))


def test_a_token_that_may_read_too_little_is_refused_with_what_it_lacks() -> None:
    account = FakeDigitalOcean().account
    account.missing = ("firewall:read", "tag:read")
    with pytest.raises(InvalidInput, match=r"lacks firewall:read, tag:read\. Needed are droplet, image"):
        tokens.examine_digitalocean(account, frozenset({account.read_owner()}))


def test_what_nobody_tells_of_a_token_is_said() -> None:
    account = FakeDigitalOcean().account
    assert tokens.examine_digitalocean(account, frozenset({account.read_owner()})) == [tokens.UNREADABLE]
    assert "same team" in tokens.examine_digitalocean(account, frozenset())[0]


def test_whose_the_droplets_are_is_told_by_the_records_once_the_old_token_is_revoked() -> None:
    cloud, dns = FakeDigitalOcean(), FakeCloudflare("example.com")
    dns.add("a.example.com", "203.0.113.7", "deployer 9fe5e6 demo/prod/hello demo-prod-3f9a1c")
    dns.add("b.example.com", "203.0.113.7", "somebody's deployer notes")
    assert tokens.owners(cloud.account, dns) == {cloud.account.read_owner()}
    cloud.faults.fail("account.read_owner", REVOKED)
    assert tokens.owners(cloud.account, dns) == {"9fe5e6"}


def test_a_cloudflare_token_that_sees_more_than_the_zone_or_ends_is_told() -> None:
    dns = FakeCloudflare("example.com")
    dns.token = TokenFacts(datetime(2027, 1, 2, tzinfo=UTC), ("example.com", "other.example"))
    told = " ".join(tokens.examine_cloudflare(dns))
    assert "other zones too (other.example)" in told
    assert "ends on 2027-01-02" in told
    assert "does not tell whether it may write" in told


class Clouds:
    """Both providers, by their token: those that are not here are refused."""

    def __init__(self) -> None:
        self.accounts = {OLD: FakeDigitalOcean(), NEW: FakeDigitalOcean(), THIRD: FakeDigitalOcean()}
        self.zones = {CF_OLD: FakeCloudflare("example.com"), CF_NEW: FakeCloudflare("example.com")}


@pytest.fixture
def clouds(monkeypatch: pytest.MonkeyPatch) -> Clouds:
    made = Clouds()

    def cloud(block: DigitalOceanCredentials) -> Any:
        return made.accounts[block.token.get_secret_value()]

    def zone(block: CloudflareCredentials) -> Any:
        return made.zones[block.token.get_secret_value()]

    monkeypatch.setattr(DigitalOceanCredentials, "client", cloud)
    monkeypatch.setattr(CloudflareCredentials, "client", zone)
    return made


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefect: None) -> Path:
    """An installation with both tokens, in a file and in blocks."""
    path = tmp_path / ".env"
    path.write_text(f"DEPLOYER_DIGITALOCEAN_TOKEN={OLD}\nDEPLOYER_CLOUDFLARE_TOKEN={CF_OLD}\nDEPLOYER_REGION=nyc3\n")
    monkeypatch.setattr(tokens, "FILE", path)
    monkeypatch.delenv("DEPLOYER_DIGITALOCEAN_TOKEN", raising=False)
    monkeypatch.delenv("DEPLOYER_CLOUDFLARE_TOKEN", raising=False)
    cast(Any, credentials(OLD).save)("digitalocean", overwrite=True)
    zone = CloudflareCredentials.model_validate({"token": CF_OLD, "zone": "example.com"})
    cast(Any, zone.save)("cloudflare", overwrite=True)
    return path


def rotate(monkeypatch: pytest.MonkeyPatch, provider: str, token: str) -> str:
    """What the command prints."""
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{token}\n"))
    given = {"admin_login": "admin:x", "digitalocean_token": OLD, "cloudflare_token": CF_OLD}
    rest = {"cloudflare_zone": "example.com", "controller_addresses": ("203.0.113.7/32",), "project": "turned"}
    printed = io.StringIO()
    assert tokens.rotate(Settings.model_validate({**given, **rest}), provider, Console(file=printed, width=400)) == 0
    return printed.getvalue()


def block() -> DigitalOceanCredentials:
    """As it is saved."""
    return cast(DigitalOceanCredentials, DigitalOceanCredentials.load("digitalocean"))


def test_the_new_token_is_in_its_places_the_old_one_is_known_and_neither_is_printed(
    env: Path, clouds: Clouds, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = rotate(monkeypatch, "digitalocean", NEW)
    assert (block().token, block().former_token) == (SecretStr(NEW), SecretStr(OLD))
    assert f"DEPLOYER_DIGITALOCEAN_TOKEN={NEW}\n" in env.read_text()
    assert "DEPLOYER_REGION=nyc3\n" in env.read_text()
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    assert "rotate-keys" in printed
    assert "revoke the old token" in printed
    assert "dop_v1" not in printed
    before = env.read_text()
    assert "has this token already" in rotate(monkeypatch, "digitalocean", NEW)
    assert env.read_text() == before


@pytest.mark.parametrize("written", [False, True])
def test_a_death_before_the_block_or_before_the_file_is_mended_by_a_repetition(
    env: Path, clouds: Clouds, monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    place = (tokens, "replace") if not written else (documents, "ensure_documents")

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(*place, die)
        with pytest.raises(KeyboardInterrupt):
            rotate(patch, "digitalocean", NEW)
    assert block().token == SecretStr(OLD)
    rotate(monkeypatch, "digitalocean", NEW)
    assert (block().token, block().former_token) == (SecretStr(NEW), SecretStr(OLD))
    assert env.read_text().count("DEPLOYER_DIGITALOCEAN_TOKEN=") == 1


def test_a_token_that_is_refused_or_of_another_team_changes_nothing(
    env: Path, clouds: Clouds, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = env.read_text()
    clouds.accounts[NEW].faults.fail("account.read_owner", REVOKED)
    with pytest.raises(Refused, match="refuses the token"):
        rotate(monkeypatch, "digitalocean", NEW)
    clouds.accounts[NEW].account.team = "another"
    with pytest.raises(InvalidInput, match="another DigitalOcean team"):
        rotate(monkeypatch, "digitalocean", NEW)
    assert (env.read_text(), block().token, block().former_token) == (before, SecretStr(OLD), SecretStr(""))


def test_a_third_token_waits_until_no_droplet_needs_the_first(
    env: Path, clouds: Clouds, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotate(monkeypatch, "digitalocean", NEW)
    with pytest.raises(InvalidInput, match="rotate-keys"):
        rotate(monkeypatch, "digitalocean", THIRD)
    assert block().token == SecretStr(NEW)


def test_cloudflares_token_is_replaced_alike(env: Path, clouds: Clouds, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = rotate(monkeypatch, "cloudflare", CF_NEW)
    found = cast(CloudflareCredentials, CloudflareCredentials.load("cloudflare"))
    assert found.token == SecretStr(CF_NEW)
    assert f"DEPLOYER_CLOUDFLARE_TOKEN={CF_NEW}\n" in env.read_text()
    assert CF_NEW not in printed


@pytest.mark.parametrize("given", ["", "two words"])
def test_what_is_no_token_is_refused(env: Path, clouds: Clouds, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    with pytest.raises(InvalidInput, match="no token"):
        rotate(monkeypatch, "digitalocean", given)


def test_a_token_that_the_environment_sets_is_not_the_files_to_change(
    env: Path, clouds: Clouds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPLOYER_DIGITALOCEAN_TOKEN", OLD)
    with pytest.raises(InvalidInput, match="set in the environment"):
        rotate(monkeypatch, "digitalocean", NEW)
