"""How the latest calls to a provider went, and what is kept of it from round to round."""

from __future__ import annotations

from pathlib import Path

from fleet.cloud.tally import LENGTH, Tally
from fleet.remediation import limits
from fleet.remediation.folders import Folder
from fleet.remediation.observations import Calls


def test_the_last_ten_are_told_once() -> None:
    tally = Tally()
    for number in range(15):
        tally.note(number >= 12)
    assert tally.take() == (*[False] * 7, *[True] * 3)
    assert tally.take() == ()


def test_as_many_are_counted_as_an_incident_is_told_by() -> None:
    assert limits.INCIDENT[1] == LENGTH


def test_calls_of_several_rounds_are_counted_together(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    with folder.locked():
        assert folder.note_calls((True, True)) == Calls(2, 2)
        assert Folder(tmp_path).note_calls((True,)) == Calls(3, 3)
        assert folder.note_calls((False,) * 9) == Calls(1, 10)


def test_calls_that_cannot_be_read_begin_anew(tmp_path: Path) -> None:
    (tmp_path / "calls.json").write_text("{")
    with Folder(tmp_path).locked():
        assert Folder(tmp_path).note_calls((True,)) == Calls(1, 1)
