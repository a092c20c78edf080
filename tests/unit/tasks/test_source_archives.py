"""Archives with a build context: unpacked as they are, and refused when they would write elsewhere or too much."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from agent import contexts
from fleet.errors import InvalidInput
from tasks.sources import archives

FILES = {"Dockerfile": "FROM scratch\n", "web/app.py": "print(1)\n"}


def tarred(path: Path, *members: tarfile.TarInfo, files: dict[str, str] = FILES, mode: str = "w") -> Path:
    """A tar with these files, and then these members, which are empty."""
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]  # its modes are literals there
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            archive.addfile(member, io.BytesIO(content.encode()))
        for member in members:
            archive.addfile(member)
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    """One member."""
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


def zipped(path: Path, files: dict[str, str] = FILES) -> Path:
    """A zip with these files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def look_at(path: Path) -> None:
    """What is done with an archive before a deploy begins."""
    archives.check(path, "", "Dockerfile")


def unpack(path: Path) -> None:
    """What is done with it when it is built."""
    archives.unpack(path, path.parent)


def unpacked(path: Path) -> dict[str, str]:
    """What comes out of an archive."""
    into = path.parent / "into"
    into.mkdir()
    archives.unpack(path, into)
    return {str(one.relative_to(into)): one.read_text() for one in into.rglob("*") if one.is_file()}


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: tarred(folder / "a.tar"),
        lambda folder: tarred(folder / "a.tar.gz", mode="w:gz"),
        lambda folder: tarred(folder / "a.tgz", mode="w:gz"),
        lambda folder: tarred(folder / "a.tar", mode="w:gz"),
        lambda folder: tarred(folder / "a.tar", member("./", tarfile.DIRTYPE)),
        lambda folder: zipped(folder / "a.zip"),
    ],
    ids=["tar", "tar.gz", "tgz", "packed in spite of its name", "with its root", "zip"],
)
def test_an_archive_of_each_kind_is_unpacked(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path)
    archives.check(path, "", "Dockerfile")
    assert unpacked(path) == FILES


def test_a_link_that_stays_inside_is_kept(tmp_path: Path) -> None:
    path = tarred(tmp_path / "a.tar", member("web/main.py", tarfile.SYMTYPE, "app.py"))
    assert unpacked(path)["web/main.py"] == "print(1)\n"


@pytest.mark.parametrize("name", ["/etc/passwd", "../evil", "web/../../evil"])
def test_a_name_that_leads_out_is_refused_and_nothing_is_written_there(tmp_path: Path, name: str) -> None:
    for path in (tarred(tmp_path / "a.tar", files={name: "x"}), zipped(tmp_path / "a.zip", {name: "x"})):
        for look in (look_at, unpack):
            with pytest.raises(InvalidInput, match=r"which leads out of it\. Pack the folder anew"):
                look(path)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.tar", "a.zip"]


@pytest.mark.parametrize(
    "bad",
    [
        member("out", tarfile.SYMTYPE, "../../etc"),
        member("out", tarfile.SYMTYPE, "/etc/passwd"),
        member("out", tarfile.LNKTYPE, "../evil"),
        member("dev", tarfile.CHRTYPE),
        member("pipe", tarfile.FIFOTYPE),
    ],
    ids=["link out", "absolute link", "hard link out", "device", "pipe"],
)
def test_what_is_no_part_of_a_context_is_refused(tmp_path: Path, bad: tarfile.TarInfo) -> None:
    with pytest.raises(InvalidInput, match=r"The archive .*a\.tar (holds|cannot be unpacked)"):
        unpacked(tarred(tmp_path / "a.tar", bad))


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    path, link = tmp_path / "a.zip", zipfile.ZipInfo("out")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(InvalidInput, match="holds 'out', a link, which only a tar may"):
        unpacked(path)


def test_a_program_in_a_zip_stays_one(tmp_path: Path) -> None:
    path, program = tmp_path / "a.zip", zipfile.ZipInfo("run")
    program.external_attr = 0o100755 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(program, "#!/bin/sh\n")
    unpacked(path)
    assert (tmp_path / "into" / "run").stat().st_mode & 0o777 == 0o755


def test_more_files_than_the_limit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contexts, "ENTRIES_LIMIT", 1)
    with pytest.raises(InvalidInput, match="holds more than 1 files"):
        archives.check(tarred(tmp_path / "a.tar"), "", "Dockerfile")


@pytest.mark.parametrize(
    "make", [lambda p, f: tarred(p / "a.tar.gz", files=f, mode="w:gz"), lambda p, f: zipped(p / "a.zip", f)]
)
def test_what_unpacks_to_more_than_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path, dict[str, str]], Path]
) -> None:
    monkeypatch.setattr(contexts, "LIMIT_MIB", 1)
    path = make(tmp_path, {"large": "0" * (1 << 20) + "1"})
    assert path.stat().st_size < 10_000
    with pytest.raises(InvalidInput, match="holds more than 1 MiB"):
        unpacked(path)
    assert list((tmp_path / "into").iterdir()) == []


def test_a_header_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    bomb = member("././@PaxHeader", tarfile.XHDTYPE)
    bomb.size = archives.READ_LIMIT + 1
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(bomb.tobuf() + b"0" * 512))
    with pytest.raises(InvalidInput, match="has a header that no packer writes"):
        unpacked(tmp_path / "a.tar.gz")


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.zip"])
@pytest.mark.parametrize("content", [b"", b"nonsense" * 200, b"\x1f\x8bnonsense", b"PK\x03\x04nonsense"])
def test_what_is_no_archive_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInput, match=r"cannot be unpacked|There is no file Dockerfile"):
        archives.check(tmp_path / name, "", "Dockerfile")


def test_an_archive_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    path = tarred(tmp_path / "a.tar.gz", files={"Dockerfile": "FROM scratch\n" * 9999}, mode="w:gz")
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(InvalidInput, match="cannot be unpacked"):
        archives.check(path, "", "Dockerfile")


@pytest.mark.parametrize(("folder", "dockerfile"), [("", "web.Dockerfile"), ("web", "Dockerfile")])
def test_a_dockerfile_that_is_not_there_is_named(tmp_path: Path, folder: str, dockerfile: str) -> None:
    with pytest.raises(InvalidInput, match=r"There is no file .* in the archive .* Name the Dockerfile as"):
        archives.check(tarred(tmp_path / "a.tar"), folder, dockerfile)


def test_an_archive_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"There is no file .* on the machine that runs the worker"):
        archives.check(tmp_path / "a.tar", "", "Dockerfile")
