"""Build contexts: what holds only its own files passes, and all that reaches out is refused."""

from __future__ import annotations

import contextlib
import gzip
import io
import subprocess
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import contexts
from agent.contexts import Unfit

DOCKERFILE = b"FROM scratch\nCOPY . /\n"


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    """One member."""
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = kind, link, size
    return made


def link(name: str, target: str) -> tarfile.TarInfo:
    """A symbolic link."""
    return member(name, tarfile.SYMTYPE, target)


def packed(*members: tarfile.TarInfo, dockerfile: bytes = DOCKERFILE) -> io.BytesIO:
    """A context with a Dockerfile and these members, whose content is zeros."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(member("Dockerfile", size=len(dockerfile)), io.BytesIO(dockerfile))
        for one in members:
            tar.addfile(one, io.BytesIO(b"\0" * one.size) if one.isreg() else None)
    return file


def check(file: io.BytesIO) -> str:
    """The Dockerfile of a context that passes."""
    return contexts.check(file, "Dockerfile")


def test_a_context_of_files_folders_and_inner_links_passes() -> None:
    file = packed(
        member("./web", tarfile.DIRTYPE),
        member("web/app", size=700),
        member("web/same", tarfile.LNKTYPE, "web/app"),
        link("web/up", "../web/app"),
        link("web/loop", "loop"),
        member("x" * 300, size=3),
    )
    assert check(file) == DOCKERFILE.decode()


REACHES_OUT: dict[str, tuple[tuple[tarfile.TarInfo, ...], str]] = {
    "a name above": ((member("../evil"),), "leads out"),
    "a name above, further in": ((member("a/../../evil"),), "leads out"),
    "an absolute name": ((member("/etc/evil"),), "leads out"),
    "a link above": ((link("a", "../secret"),), "leads out"),
    "an absolute link": ((link("a", "/etc/passwd"),), "leads out"),
    "a link above by way of another": ((link("d", "."), link("x/y/l", "../../d/../evil")), "leads out"),
    "a hard link above": ((member("a", tarfile.LNKTYPE, "../secret"),), "leads out"),
    "an absolute hard link": ((member("a", tarfile.LNKTYPE, "/etc/passwd"),), "leads out"),
    "a hard link to nothing": ((member("a", tarfile.LNKTYPE, "secret"),), "no file of it"),
    "a hard link to a link": ((link("a", "Dockerfile"), member("b", tarfile.LNKTYPE, "a")), "no file of it"),
    "a file below a link": ((link("a", "b"), member("a/evil")), "which is no folder"),
    "a file below a file": ((member("a"), member("a/evil")), "which is no folder"),
    "a link in place of a folder": ((member("a/b"), link("a", "c")), "twice"),
    "a name twice": ((member("a"), member("a")), "twice"),
    "a device": ((member("sda", tarfile.BLKTYPE),), "neither a plain file nor"),
    "a terminal": ((member("tty", tarfile.CHRTYPE),), "neither a plain file nor"),
    "a pipe": ((member("pipe", tarfile.FIFOTYPE),), "neither a plain file nor"),
}


@pytest.mark.parametrize("name", REACHES_OUT)
def test_what_reaches_out_is_refused(name: str) -> None:
    members, why = REACHES_OUT[name]
    with pytest.raises(Unfit, match=why):
        check(packed(*members))


def test_fifty_thousand_files_are_refused() -> None:
    with pytest.raises(Unfit, match="holds more than 40000 files, folders and links"):
        check(packed(*(member(f"{number}") for number in range(50_000))))


def test_names_are_bounded_as_a_whole() -> None:
    with pytest.raises(Unfit, match="names that are too long"):
        check(packed(*(member(f"{number}/{'x' * 100_000}") for number in range(90))))


@pytest.mark.parametrize("form", ["gnu", "posix"])
@pytest.mark.parametrize(
    ("size", "why"), [(10 << 30, "holds more than 8192 MiB when it is unpacked"), (1 << 20, "neither a plain file nor")]
)
def test_a_sparse_file_counts_as_what_it_unpacks_to_and_is_refused_in_any_case(
    tmp_path: Path, form: str, size: int, why: str
) -> None:
    (tmp_path / "Dockerfile").write_bytes(DOCKERFILE)
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(size)
    done = subprocess.run(
        ["tar", "--create", "--sparse", f"--format={form}", "Dockerfile", "sparse"],
        cwd=tmp_path, capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    assert len(done.stdout) < 100_000
    with pytest.raises(Unfit, match=why):
        check(io.BytesIO(done.stdout))


def test_a_sparse_file_with_a_map_that_never_ends_is_not_read_on() -> None:
    sparse = member("sparse", size=8 << 20)
    sparse.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9"}
    head = sparse.tobuf(tarfile.PAX_FORMAT)
    with pytest.raises(Unfit, match="has a header that no packer writes"):
        check(io.BytesIO(head + b"9999999999\n" + b"0\n" * (4 << 20)))


def test_headers_of_headers_of_headers_are_refused() -> None:
    one = member("././@PaxHeader", tarfile.XHDTYPE, size=12).tobuf(tarfile.USTAR_FORMAT)
    chain = (one + b"12 comment=a\n".ljust(512, b"\0")) * 20_000
    with pytest.raises(Unfit):
        check(io.BytesIO(chain))


def test_many_files_count_together() -> None:
    seen = contexts.Inspection()
    for number in range(8):
        seen.add(member(f"{number}", size=1 << 30))
    with pytest.raises(Unfit, match="holds more than 8192 MiB"):
        seen.add(member("last", size=1))


@pytest.mark.parametrize("claimed", [5000, 1 << 40])
def test_a_header_that_promises_more_than_there_is_is_found_out(claimed: int) -> None:
    whole = packed().getvalue()
    cut = io.BytesIO(whole[: tarfile.BLOCKSIZE * 2] + member("lies", size=claimed).tobuf() + b"few")
    with pytest.raises(Unfit):
        check(cut)


@pytest.mark.parametrize(
    "content",
    [b"", b"nothing that anybody packed" * 40, gzip.compress(packed().getvalue()), b"\0" * 10240],
    ids=["nothing", "noise", "compressed", "zeros"],
)
def test_what_is_no_plain_tar_with_a_dockerfile_is_refused(content: bytes) -> None:
    with pytest.raises(Unfit, match=r"is no plain tar|holds no file Dockerfile"):
        check(io.BytesIO(content))


def test_a_header_that_asks_for_memory_is_refused_before_it_is_read() -> None:
    greedy = member("././@PaxHeader", tarfile.XHDTYPE, size=1 << 30).tobuf(tarfile.USTAR_FORMAT)
    with pytest.raises(Unfit, match="has a header that no packer writes"):
        check(io.BytesIO(greedy + b"\0" * 1024))


def test_a_dockerfile_that_is_a_link_is_none() -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        tar.addfile(link("Dockerfile", "other"))
    with pytest.raises(Unfit, match="holds no file Dockerfile"):
        check(file)


def test_what_its_dockerfile_must_not_say_is_refused_with_its_name() -> None:
    with pytest.raises(Unfit, match="cannot be built: its Dockerfile says RUN --network=host"):
        check(packed(dockerfile=b"FROM scratch\nRUN --network=host true\n"))


def test_links_that_lead_round_and_round_cost_no_more_than_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contexts, "STEPS_LIMIT", 100)
    with pytest.raises(Unfit, match="too entangled"):
        check(packed(*(link(f"{number}", "/".join(["."] * 50)) for number in range(10))))


def test_a_context_is_written_anew_with_the_same_files() -> None:
    wanted = member("web/ключ " + "x" * 200, size=1234)
    wanted.mode, wanted.mtime, wanted.pax_headers = 0o750, 1234.5, {"SCHILY.xattr.user.a": "b", "comment": "gone"}
    anew = io.BytesIO(b"".join(contexts.rewritten(packed(wanted, link("web/l", "../Dockerfile")))))
    with tarfile.open(fileobj=anew) as tar:
        found = {one.name: one for one in tar}
        content = tar.extractfile("Dockerfile")
        assert content is not None
        assert content.read() == DOCKERFILE
    assert list(found) == ["Dockerfile", wanted.name, "web/l"]
    same = found[wanted.name]
    assert (same.mode, same.mtime, same.size) == (0o750, 1234.5, 1234)
    assert same.pax_headers["SCHILY.xattr.user.a"] == "b"
    assert "comment" not in same.pax_headers


def test_what_follows_the_end_of_a_context_is_left_behind() -> None:
    hidden = packed(member("evil"))
    file = io.BytesIO(packed().getvalue() + hidden.getvalue())
    with tarfile.open(fileobj=io.BytesIO(b"".join(contexts.rewritten(file))), ignore_zeros=True) as tar:
        assert tar.getnames() == ["Dockerfile"]


@given(st.binary(max_size=3000), st.integers(0, 2500))
def test_whatever_bytes_come_the_answer_is_a_context_or_a_refusal(noise: bytes, at: int) -> None:
    whole = packed(member("a", size=9), link("b", "a")).getvalue()
    for content in (noise, whole[:at] + noise + whole[at + len(noise) :]):
        with contextlib.suppress(Unfit):
            assert check(io.BytesIO(content))
            assert b"".join(contexts.rewritten(io.BytesIO(content)))


def test_a_large_context_takes_as_much_memory_as_a_small_one(tmp_path: Path) -> None:
    with (tmp_path / "large").open("w+b") as file:
        file.write(packed().getvalue()[: 2 * tarfile.BLOCKSIZE] + member("model", size=512 << 20).tobuf())
        file.truncate(file.tell() + (512 << 20) + 1024)
        tracemalloc.start()
        contexts.check(file, "Dockerfile")
        size = sum(map(len, contexts.rewritten(file)))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert size > 512 << 20
    assert peak < 4 << 20
