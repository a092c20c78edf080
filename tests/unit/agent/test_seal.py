"""Before a snapshot: the droplet forgets who it is, or says why it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.server import seal
from agent.server.errors import Failure
from agent.server.secret_files import SecretFiles
from agent.server.settings import Settings
from tests.unit.agent.builders import NAME, release, settings


@pytest.fixture
def lived(tmp_path: Path) -> Settings:
    """A droplet that has everything a droplet can have."""
    chosen = settings(tmp_path, seal_command=("true",))
    for path in (chosen.secret_file, chosen.state / "routes.json", chosen.state / "tls" / "key.pem"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    chosen.etc.mkdir()
    for path in (chosen.boot_file, chosen.etc / "droplet", chosen.etc / "agent.env"):
        path.write_text("mine")
    SecretFiles(chosen.run, chosen.state, chosen.secret).write(NAME, release(1), {"KEY": "s3cret"})
    return chosen


def files(chosen: Settings) -> set[str]:
    folders = (chosen.etc, chosen.state, chosen.run)
    return {path.name for folder in folders for path in folder.rglob("*") if path.is_file()}


def test_a_sealed_droplet_has_neither_name_nor_secret_nor_routes(lived: Settings) -> None:
    assert {"secret", "KEY", "routes.json", "key.pem", "boot.key", "droplet"} <= files(lived)
    seal.seal(lived)
    assert files(lived) == {"agent.env"}


def test_sealing_twice_is_fine(lived: Settings) -> None:
    seal.seal(lived)
    seal.seal(lived)
    assert files(lived) == {"agent.env"}


@pytest.mark.parametrize("command", [("false",), ("/nonexistent/command",)])
def test_when_the_system_cannot_be_sealed_nothing_is_removed_and_it_is_told(
    lived: Settings, command: tuple[str, ...]
) -> None:
    before = files(lived)
    broken = settings(lived.etc.parent, seal_command=command)
    with pytest.raises(Failure, match="could not be made ready") as caught:
        seal.seal(broken)
    assert (caught.value.status, caught.value.problem.code) == (502, "seal")
    assert files(lived) == before


def test_a_link_is_removed_and_what_it_points_to_stays(lived: Settings, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("not ours")
    (lived.state / "link").symlink_to(outside)
    seal.seal(lived)
    assert not (lived.state / "link").is_symlink()
    assert (outside / "file").read_text() == "not ours"
