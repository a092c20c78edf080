"""Build contexts on the controller: packed as Docker would, and refused before a byte is read."""

from __future__ import annotations

import os
import socket
import tarfile
import tempfile
from pathlib import Path

import pytest

from agent import contexts
from fleet.errors import InvalidInput, PermanentError
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


def test_an_exception_of_the_dockerignore_brings_back_what_is_in_a_folder_that_it_names(folder: Path) -> None:
    (folder / "deep").mkdir()
    for name in ("one", "two"):
        (folder / "deep" / name).write_text(name)
    (folder / ".dockerignore").write_text("\ufeff**\n!deep/one\n")
    assert packed(folder) == [".dockerignore", "Dockerfile", "deep/one"]


def test_the_dockerfiles_own_dockerignore_counts_instead_of_the_folders(folder: Path) -> None:
    (folder / ".dockerignore").write_text("app.py\n")
    (folder / "Dockerfile.dockerignore").write_text("*.env\n")
    assert "app.py" in packed(folder)
    assert "secret.env" not in packed(folder)


@pytest.mark.parametrize("target", ["/etc/passwd", "../elsewhere"])
def test_a_link_that_leads_out_is_refused_with_what_to_do(folder: Path, target: str) -> None:
    (folder / "link").symlink_to(target)
    with pytest.raises(InvalidInput, match=r"holds the link 'link' to .* leads out of it\. Mend that, or name in a"):
        pack(folder, "Dockerfile")
    (folder / ".dockerignore").write_text("link\n")
    assert "link" not in packed(folder)


def test_a_pipe_is_refused_and_a_socket_is_left_out(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "socket"))
        assert "socket" not in packed(folder)
    os.mkfifo(folder / "pipe")
    with pytest.raises(InvalidInput, match="holds 'pipe', which is neither a plain file nor a folder nor a link"):
        pack(folder, "Dockerfile")


def test_a_sparse_file_is_refused_by_what_it_would_weigh_and_not_read(folder: Path) -> None:
    with (folder / "sparse").open("wb") as file:
        file.truncate(10 << 30)
    with pytest.raises(InvalidInput, match="holds more than 8192 MiB when it is unpacked"):
        pack(folder, "Dockerfile")


def test_more_files_than_the_bound_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contexts, "ENTRIES_LIMIT", 3)
    with pytest.raises(InvalidInput, match="holds more than 3 files"):
        pack(folder, "Dockerfile")


def test_a_context_that_the_controllers_disk_cannot_take_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contexts, "LIMIT_MIB", 1 << 40)
    with (folder / "large").open("wb") as file:
        file.truncate(8 << 40)
    with pytest.raises(PermanentError, match=rf"is 8388608 MiB, and {tempfile.gettempdir()} .* Make room there"):
        pack(folder, "Dockerfile")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("# syntax=evil/frontend\nFROM scratch\n", "names the frontend 'evil/frontend'"),
        ("FROM scratch\nRUN --network=host true\n", "says RUN --network=host"),
    ],
)
def test_a_dockerfile_that_reaches_out_is_refused_at_the_door(folder: Path, text: str, why: str) -> None:
    (folder / "Dockerfile").write_text(text)
    with pytest.raises(InvalidInput, match=why):
        check(folder, "Dockerfile")


def test_a_packed_context_is_one_that_the_droplet_takes(folder: Path) -> None:
    (folder / "sub").mkdir()
    os.link(folder / "app.py", folder / "sub" / "same.py")
    (folder / "sub" / "up").symlink_to("../app.py")
    with pack(folder, "Dockerfile") as archive:
        assert contexts.check(archive, "Dockerfile") == "FROM scratch\n"
