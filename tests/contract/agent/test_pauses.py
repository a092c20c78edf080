"""Pauses of remediation, held by an agent for all controllers: replaced as a whole, kept on the disk, and lapsing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent import wire
from agent.client import AgentProblem
from agent.server.errors import Failure
from agent.server.leases import Moment
from agent.server.pauses import CONTROLLERS, LAPSE, Pauses
from tests.contract.agent.serving import droplet

ONE, TWO = "0123456789ab", "ba9876543210"
ALL = wire.Pauses(pauses=(wire.Pause(scope="everything", by="ann", why="we move"),))
HELLO = wire.Pauses(pauses=(wire.Pause(scope="service", name="hello"),))
NOW = Moment("a boot", 1.0, datetime(2026, 11, 24, tzinfo=UTC))


def told(held: tuple[wire.HeldPauses, ...]) -> dict[str, tuple[wire.Pause, ...]]:
    """The pauses by controller."""
    return {one.controller: one.pauses for one in held}


def test_every_controller_is_told_the_pauses_of_all(tmp_path: Path) -> None:
    with droplet(tmp_path) as running, running.client() as client:
        client.write_pauses(ONE, ALL)
        for _ in range(2):
            book = client.write_pauses(TWO, HELLO)
        assert told(book.held) == {ONE: ALL.pauses, TWO: HELLO.pauses}
        assert client.node().pauses is not None
        assert told(client.node().pauses or ()) == told(book.held)
        assert told(client.write_pauses(ONE, wire.Pauses()).held) == {TWO: HELLO.pauses}


def test_only_a_controllers_own_name_is_one(tmp_path: Path) -> None:
    with droplet(tmp_path) as running, running.client() as client, pytest.raises(AgentProblem) as caught:
        client.write_pauses("../etc", ALL)
    assert caught.value.problem.code in ("invalid", "not_found")


def test_pauses_outlive_the_agent_and_a_reboot(tmp_path: Path) -> None:
    Pauses(tmp_path / "pauses.json", lambda: NOW).replace(ONE, ALL)
    later = Moment("another boot", 0.0, NOW.utc + timedelta(hours=1))
    (found,) = Pauses(tmp_path / "pauses.json", lambda: later).held()
    assert (found.pauses, found.seconds_ago) == (ALL.pauses, 3600.0)


def test_what_is_not_handed_over_again_lapses(tmp_path: Path) -> None:
    now = [NOW]
    held = Pauses(tmp_path / "pauses.json", lambda: now[0])
    held.replace(ONE, ALL)
    now[0] = replace(NOW, utc=NOW.utc + timedelta(seconds=LAPSE))
    assert held.held() == ()


def test_a_file_that_cannot_be_read_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "pauses.json").write_text("{")
    held = Pauses(tmp_path / "pauses.json", lambda: NOW)
    assert held.held() == ()
    assert told(held.replace(ONE, ALL)) == {ONE: ALL.pauses}


def test_there_is_an_end_to_controllers(tmp_path: Path) -> None:
    held = Pauses(tmp_path / "pauses.json", lambda: NOW)
    for number in range(CONTROLLERS):
        held.replace(f"{number:012x}", ALL)
    with pytest.raises(Failure, match="controllers have handed over pauses"):
        held.replace(ONE, ALL)
    assert len(held.replace(f"{0:012x}", HELLO)) == CONTROLLERS
