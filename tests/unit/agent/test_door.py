"""The door of the agent: who has not done the handshake is counted, and who has vanished is noticed."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from agent.server.door import Door
from tests.unit.agent.builders import LIMITS


@pytest.fixture
def door() -> Iterator[Door]:
    with Door("127.0.0.1", 0, replace(LIMITS, handshakes=2)) as opened:
        opened.listen()
        yield opened


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def come(door: Door, stack: ExitStack) -> tuple[socket.socket, socket.socket]:
    """Somebody comes in: their end, and ours."""
    theirs = stack.enter_context(socket.create_connection(door.getsockname(), 5))
    return theirs, stack.enter_context(door.accept()[0])


def is_over(theirs: socket.socket) -> bool:
    """Whether the connection was ended from inside."""
    theirs.setblocking(False)
    try:
        return theirs.recv(1) == b""
    except BlockingIOError:
        return False


def test_of_too_many_at_their_handshake_the_one_that_came_first_gives_way(door: Door, stack: ExitStack) -> None:
    ends = [come(door, stack)[0] for _ in range(4)]
    assert [is_over(theirs) for theirs in ends] == [True, True, False, False]


def test_whoever_has_done_the_handshake_gives_way_to_nobody(door: Door, stack: ExitStack) -> None:
    first, inside = come(door, stack)
    door.passed(inside.fileno())
    others = [come(door, stack)[0] for _ in range(3)]
    assert [is_over(theirs) for theirs in (first, *others)] == [False, True, False, False]


def test_whoever_is_gone_takes_no_place(door: Door, stack: ExitStack) -> None:
    first = come(door, stack)[0]
    for _ in range(5):
        theirs, ours = come(door, stack)
        theirs.close()
        ours.close()
    assert not is_over(first)


def test_a_connection_is_known_as_tcp_so_that_no_answer_waits_for_the_one_before_to_be_acknowledged(
    door: Door, stack: ExitStack
) -> None:
    assert come(door, stack)[1].proto == socket.IPPROTO_TCP


def test_an_end_that_vanished_without_a_word_is_noticed_within_two_minutes(door: Door, stack: ExitStack) -> None:
    _, ours = come(door, stack)
    assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    tcp = [socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT]
    idle, interval, count = (ours.getsockopt(socket.IPPROTO_TCP, option) for option in tcp)
    assert idle + interval * count <= 120
    assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) <= 120_000
