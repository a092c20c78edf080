from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from fleet.errors import InvalidInput
from tasks.contexts import check, pack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "app.py").write_text("print(1)\n")
    (tmp_path / "secret.env").write_text("KEY=1\n")
    return tmp_path


def packed(folder: Path) -> list[str]:
    with pack(folder, "Dockerfile") as archive, tarfile.open(fileobj=archive) as tar:
        return sorted(tar.getnames())


def test_a_context_holds_the_folder(folder: Path) -> None:
    assert packed(folder) == ["Dockerfile", "app.py", "secret.env"]


def test_what_the_dockerignore_names_stays_at_home(folder: Path) -> None:
    (folder / ".dockerignore").write_text("# private\n*.env\n")
    assert "secret.env" not in packed(folder)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is not a folder on the machine that runs the worker"):
        check(tmp_path / "none", "Dockerfile")


def test_a_missing_dockerfile_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"There is no file Dockerfile .* Put a Dockerfile there"):
        check(tmp_path, "Dockerfile")
