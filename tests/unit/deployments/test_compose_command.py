"""The command that imports a Compose file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, cast

import pytest

from blocks.service import Service
from deployments import __main__ as command
from fleet.errors import InvalidInput
from fleet.spec import Web
from tests.unit.blocks import examples


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The command, with the fake file that it is given: its exit status for these arguments."""
    monkeypatch.setattr("deployments.server.environment", lambda _: {})
    monkeypatch.setenv("DEPLOYER_ADMIN_LOGIN", "admin:x")

    def run(text: str, *arguments: str) -> int:
        (tmp_path / "compose.yaml").write_text(text)
        monkeypatch.setattr(sys, "argv", ["deployments", "import-compose", str(tmp_path / "compose.yaml"), *arguments])
        return command.main()

    return run


TWO = """
services:
  web:
    image: shop:${TAG}
    ports: ["80:80"]
    environment: {PASSWORD: hunter2}
  redis: {image: redis}
"""


TAGGED = TWO.replace("${TAG}", "1")


@pytest.mark.usefixtures("prefect")
def test_the_command_saves_all_services_once_and_then_only_what_differs(
    told: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = examples.environment(project="composed")
    where.digitalocean.save("composed", overwrite=True)
    where.save("composed-prod", overwrite=True)
    (tmp_path / ".env").write_text("TAG=1\n")
    options = ("--environment", "composed-prod", "--domain", "web=web.example.com")
    assert told(TWO, *options, "--dry-run") == 0
    with pytest.raises(ValueError, match="Unable to find block document"):
        Service.load("composed-prod-web")
    assert told(TWO, *options) == 0
    first = cast(Service, Service.load("composed-prod-web"))
    assert first.spec().secrets == {"PASSWORD": "hunter2"}
    assert first.spec().runs == Web(80, ("web.example.com",))
    capsys.readouterr()
    assert told(TWO, *options) == 0
    assert told(TWO.replace("80:80", "80:8080"), *options) == 0
    said = capsys.readouterr().out
    assert [line for line in said.splitlines() if "Service composed" in line] == [
        "✓ Service composed-prod-web: unchanged",
        "✓ Service composed-prod-redis: unchanged",
        "✓ Service composed-prod-web: changed to what the file says",
        "✓ Service composed-prod-redis: unchanged",
    ]
    assert "hunter2" not in said
    assert cast(Service, Service.load("composed-prod-web")).environment.title() == "composed-prod"


@pytest.mark.parametrize(
    ("text", "message"),
    [(TWO, "services.web.image: TAG has no value"), ("services: 1", "It has no services.")],
)
def test_the_command_says_what_is_wrong_with_a_file(
    told: Any, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    assert told(text, "--environment", "refused-prod") == 1
    assert message in capsys.readouterr().out


@pytest.mark.usefixtures("prefect")
def test_services_that_do_not_fit_their_environment_are_not_saved(
    told: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(TAGGED, "--domain", "web=a.example.com", "--environment", "refused-prod") == 1
    assert "There is no environment refused-prod. Make its block in the UI" in capsys.readouterr().out
    examples.environment(project="refused").save("refused-prod")
    assert told(TAGGED, "--domain", "web=a.example.org", "--environment", "refused-prod") == 1
    assert "web: a.example.org is not in the zone example.com." in capsys.readouterr().out
    for name in ("web", "redis"):
        with pytest.raises(ValueError, match="Unable to find block document"):
            Service.load(f"refused-prod-{name}")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    from deployments.compose.saving import open_file

    with pytest.raises(InvalidInput, match=r"none\.yaml or its \.env cannot be read"):
        open_file(tmp_path / "none.yaml", {})
