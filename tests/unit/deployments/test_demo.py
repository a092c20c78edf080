"""What `make down` takes with the sandbox: a controller that knows a world that is gone is of no use to anybody."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deployments import settings
from deployments.settings import Settings
from examples import demo

TOKENS = {"digitalocean": "one", "cloudflare": "two"}


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a demo's settings, beside what its controller knows."""
    monkeypatch.setattr(settings, "ROOT", tmp_path)
    for name in [name for name in os.environ if name.startswith("DEPLOYER_")]:
        monkeypatch.delenv(name)
    for folder in ("prefect", "healing", "sandbox"):
        (tmp_path / ".state" / folder).mkdir(parents=True)
    return tmp_path / ".env"


def begun(env: Path, **other: str) -> Settings:
    """The settings of a demo that has begun, where a person may have chosen another cloud."""
    settings.load()
    settings.remember(env, demo.world(TOKENS) | other)
    return settings.load()


def left(env: Path) -> set[str]:
    """What is still in the state folder."""
    return {one.name for one in (env.parent / ".state").iterdir()}


def test_the_next_demo_begins_anew_with_the_same_login(env: Path) -> None:
    before = begun(env)
    demo.leave(before, env)
    demo.leave(before, env)
    assert left(env) == {"sandbox"}
    assert env.read_text() == f"DEPLOYER_ADMIN_LOGIN={before.admin_login.get_secret_value()}\n"
    assert begun(env).digitalocean_token == before.digitalocean_token


def test_a_controller_that_works_for_another_cloud_is_left_alone(env: Path) -> None:
    found = begun(env, DEPLOYER_DIGITALOCEAN_API_URL="https://api.digitalocean.com")
    text = env.read_text()
    demo.leave(found, env)
    assert left(env) == {"prefect", "healing", "sandbox"}
    assert env.read_text() == text
