"""Facts of the droplet, read from files as the kernel writes them."""

from __future__ import annotations

from pathlib import Path

from agent import wire
from agent.server import facts

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
TCP = (
    HEAD
    + "   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n"
    + "   1: 0100007F:0CEA 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1 0 100 0 0 10 0\n"
    + "   2: 0B00007F:A1B2 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 3 1 0 100 0 0 10 0\n"
    + "   3: 020012AC:1F90 010012AC:D431 01 00000000:00000000 00:00000000 00000000     0        0 4 1 0 100 0 0 10 0\n"
)
TCP6 = (
    HEAD
    + "   0: 00000000000000000000000001000000:1F91 00000000000000000000000000000000:0000 0A 00000000:00000000 0 0 5\n"
)


def proc(folder: Path) -> Path:
    """The kernel's files of process 7."""
    net = folder / "7" / "net"
    net.mkdir(parents=True)
    (net / "tcp").write_text(TCP)
    (net / "tcp6").write_text(TCP6)
    return folder


def test_listeners_are_those_that_wait_without_dockers_own_resolver(tmp_path: Path) -> None:
    assert facts.listening(7, proc(tmp_path)) == (
        wire.Socket(address="0.0.0.0", port=8080),  # noqa: S104  # what a container listens on
        wire.Socket(address="127.0.0.1", port=3306),
        wire.Socket(address="::1", port=8081),
    )


def test_of_a_process_that_is_gone_nobody_can_say(tmp_path: Path) -> None:
    assert facts.listening(8, proc(tmp_path)) is None


def test_the_room_of_a_path_that_is_not_there_is_that_of_its_nearest_parent(tmp_path: Path) -> None:
    here, there = facts.room(tmp_path), facts.room(tmp_path / "not" / "here")
    assert (here.total, there.total) == (facts.disk(tmp_path).total,) * 2
    assert 0 < there.free <= there.total
