"""How the droplet itself is, as a pure function of numbers; and the numbers, as they are read."""

# ruff: noqa: E501 - the rules are read as a table

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from agent import keys
from agent.server import facts
from agent.server.vitals import Room, Vitals, judge
from tests.unit.agent.builders import DROPLET, TOKEN

NOW = datetime(2026, 11, 24, tzinfo=UTC)
GIB, MIB = 1 << 30, 1 << 20
ROOMY = Room(25 * GIB, 20 * GIB, 1_600_000, 1_500_000)
WELL = Vitals(
    at=NOW,
    disks={"the system": ROOMY},
    memory=Room(GIB, GIB // 2),
    certificate=NOW + timedelta(days=3650),
    skew=timedelta(seconds=1),
    synchronised=True,
)


def disk(**changes: int) -> Vitals:
    """All is well but for one disk of two."""
    return replace(WELL, disks={"the system": ROOMY, "containers": replace(ROOMY, **changes)})


def memory(free: int) -> Vitals:
    return replace(WELL, memory=Room(GIB, free))


def ends(days: float) -> Vitals:
    return replace(WELL, certificate=NOW + timedelta(days=days))


def clock(seconds: float | None, synchronised: bool | None = None) -> Vitals:
    skew = None if seconds is None else timedelta(seconds=seconds)
    return replace(WELL, skew=skew, synchronised=synchronised)


RULES: list[tuple[str, Vitals, str, str]] = [
    ("disk", WELL, "healthy", "80 % of the disk for the system are free"),
    ("disk", disk(free=2 * GIB), "degraded", "8 % of the disk for containers are free"),
    ("disk", disk(free=63 * MIB), "unhealthy", "the disk for containers is full: 63 MiB are free"),
    ("disk", disk(free_inodes=100_000), "degraded", "6 % of the inodes for containers are free"),
    ("disk", disk(free_inodes=99), "unhealthy", "the disk for containers has no place for another file: 99 inodes are free"),
    ("disk", disk(inodes=0, free_inodes=0), "healthy", "80 % of the disk for the system are free"),
    ("disk", replace(WELL, disks={}), "unknown", "no disk could be read"),
    ("memory", WELL, "healthy", "50 % of the memory can still be had"),
    ("memory", memory(90 * MIB), "degraded", "8 % of the memory can still be had"),
    ("memory", memory(31 * MIB), "unhealthy", "3 % of the memory can still be had: the kernel is about to end processes"),
    ("memory", replace(WELL, memory=None), "unknown", "the memory could not be read"),
    ("certificate", ends(3650), "healthy", "the certificate that the edge sees ends on 2036-11-21, in 3650 days"),
    ("certificate", ends(20), "degraded", "the certificate that the edge sees ends on 2026-12-14, in 20 days"),
    ("certificate", ends(0), "unhealthy", "the certificate that the edge sees has ended on 2026-11-24"),
    ("certificate", replace(WELL, certificate="no such file"), "unknown", "the certificate could not be read: no such file"),
    ("clock", clock(5), "healthy", "the clock agrees with that of whoever asks, within 5 s"),
    ("clock", clock(6, True), "degraded", "the clock is 6 s ahead of that of whoever asks"),
    ("clock", clock(-3600), "degraded", "the clock is 3600 s behind that of whoever asks"),
    ("clock", clock(0, False), "degraded", "no time server has set the clock since the boot"),
    ("clock", clock(None, True), "healthy", "a time server sets the clock"),
    ("clock", clock(None), "unknown", "nobody said what time it is"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "seen", "verdict", "reason"), RULES, ids=[f"{rule[0]}: {rule[3]}" for rule in RULES])
def test_what_is_left_gives_this_verdict_and_this_reason(what: str, seen: Vitals, verdict: str, reason: str) -> None:
    found = judge(seen)
    assert (found[what].verdict, found[what].reason, found[what].checked_at) == (verdict, reason, NOW)
    assert {name: one.verdict for name, one in found.items() if name != what and one.verdict != "healthy"} == {}


def test_the_evidence_has_the_numbers() -> None:
    found = judge(WELL)
    assert found["disk"].evidence["the system"] == f"{20 * GIB} of {25 * GIB} bytes"
    assert found["disk"].evidence["the system inodes"] == "1500000 of 1600000"
    assert found["memory"].evidence == {"free": f"{GIB // 2} of {GIB} bytes"}
    assert found["certificate"].evidence == {"ends": "2036-11-21T00:00:00+00:00"}
    assert found["clock"].evidence == {"ahead by": "1.000 s", "time server": "yes"}


@given(st.integers(0, 1 << 40), st.integers(0, 1 << 40), st.integers(0, 1 << 40))
def test_less_room_is_never_a_better_verdict(total: int, one: int, other: int) -> None:
    words = ["unhealthy", "degraded", "healthy"]
    less, more = (
        judge(replace(WELL, disks={"x": Room(total, free)}, memory=Room(total, free))) for free in sorted((one, other))
    )
    for what in ("disk", "memory"):
        assert words.index(less[what].verdict) <= words.index(more[what].verdict)


@given(st.integers(-(10**6), 10**6), st.sampled_from([True, False, None]))
def test_a_clock_is_never_unhealthy_for_either_may_be_wrong(seconds: int, synchronised: bool | None) -> None:
    assert judge(clock(seconds, synchronised))["clock"].verdict in ("healthy", "degraded")


def test_disks_are_read_once_each_and_a_path_that_is_not_there_counts_for_its_parent(tmp_path: Path) -> None:
    found = facts.rooms((("the system", tmp_path), ("containers", tmp_path / "not" / "there")))
    assert list(found) == ["the system"]
    assert 0 < found["the system"].free <= found["the system"].total


def test_a_certificate_is_read_and_one_that_is_none_says_why(tmp_path: Path) -> None:
    file = tmp_path / "certificate.pem"
    assert "No such file" in str(facts.certificate(file))
    file.write_text("nothing")
    assert isinstance(facts.certificate(file), str)
    made = keys.identity(keys.droplet_secret(TOKEN, DROPLET), DROPLET).certificate
    file.write_bytes(made)
    assert facts.certificate(file) == x509.load_pem_x509_certificate(made).not_valid_after_utc


def test_whether_a_time_server_set_the_clock_is_read_from_systemds_mark(tmp_path: Path) -> None:
    folder = tmp_path / "timesync"
    assert facts.synchronised(folder) is None
    folder.mkdir()
    assert facts.synchronised(folder) is False
    (folder / "synchronized").touch()
    assert facts.synchronised(folder) is True
