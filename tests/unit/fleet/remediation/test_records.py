"""The evidence of decisions: complete, replayable, and on the disk."""

from __future__ import annotations

import json
import stat
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.errors import InvalidInput, NotFound, PermanentError
from fleet.remediation import records
from fleet.remediation.advance import Outcome
from fleet.remediation.causes import Cause
from fleet.remediation.decide import decide
from fleet.remediation.documents import dump, identify, load
from fleet.remediation.moments import Moment
from fleet.remediation.observations import Observation
from fleet.remediation.records import (
    DecisionRecord,
    OutcomeRecord,
    Records,
    day_of,
    differences,
    make_record,
    replay,
)
from fleet.remediation.redaction import LINE_LIMIT
from fleet.remediation.rounds import Deliberation
from fleet.remediation.state import State
from fleet.remediation.telling import rows
from tests.unit.fleet.remediation import generated
from tests.unit.fleet.remediation.generated import NOW
from tests.unit.fleet.remediation.scenes import OFF, START, Scene, droplet

TODAY = date(2026, 11, 24)


def deliberate(state: State, seen: tuple[Observation, ...], now: Moment = NOW) -> Deliberation:
    """A decision with what it followed from."""
    return Deliberation(identify(state, seen, now), state, seen, now, decide(state, seen, now))


@pytest.fixture
def made() -> Deliberation:
    """A droplet that was off left DNS."""
    scene = Scene()
    scene.look()
    scene.look({1: OFF})
    return scene.last[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where records are kept; it is not there yet."""
    return tmp_path / "healing" / "decisions"


def lines(folder: Path) -> list[str]:
    """The lines of the only file."""
    (path,) = folder.glob("*.jsonl")
    return path.read_text().splitlines()


@given(st.one_of(generated.states, generated.dire_states), generated.seen)
def test_any_record_comes_back_from_its_json_and_is_decided_the_same(
    state: State, seen: tuple[Observation, ...]
) -> None:
    record = make_record(deliberate(state, seen), "demo-prod", "amber-fox", ["a line"])
    again = load(DecisionRecord, dump(record))
    assert again == record
    assert replay(again) == record.decision
    assert differences(record.decision, replay(again)) == []


@given(st.one_of(generated.states, generated.dire_states), generated.seen)
def test_any_record_can_be_told(state: State, seen: tuple[Observation, ...]) -> None:
    record = make_record(deliberate(state, seen), "demo-prod")
    told = rows(record)
    assert sum(row.part == "observation" for row in told) == len(seen)
    assert sum(row.part == "gate" for row in told) == len(record.decision.gates)


@given(generated.states, generated.seen, generated.states, generated.seen)
def test_two_decisions_have_one_name_only_when_they_follow_from_the_same(
    one: State, saw: tuple[Observation, ...], other: State, too: tuple[Observation, ...]
) -> None:
    same = (dump(one), saw) == (dump(other), too)
    assert (identify(one, saw, NOW) == identify(other, too, NOW)) is same


def test_a_record_says_everything_that_the_decision_hung_on(made: Deliberation) -> None:
    record = make_record(made, "demo-prod", "amber-fox", cause=Cause("firewall", ("edge: timeout",), "Look at it."))
    told = [f"{row.part}/{row.what}: {row.told}" for row in rows(record)]
    assert told[0] == "decision/target: demo-prod-000001 (droplet 1)"
    assert "decision/action: remove from DNS" in told
    assert "decision/names: hello.example.com" in told
    assert "observation/provider: off (0 s before)" in told
    assert "budget/DNS removals in 30 min: 0 of 3 before, 1 after" in told
    assert any(line.startswith("gate/G3 breaker: open: 1 of 10 agents") for line in told)
    assert any(line.startswith("gate/G6 replaceable: open (not needed)") for line in told)
    assert "cause/firewall: edge: timeout. Look at it." in told


def test_what_is_written_is_found_again_with_what_became_of_it(folder: Path, made: Deliberation) -> None:
    kept = Records(folder)
    record = make_record(made, "demo-prod", "amber-fox")
    outcomes = [
        OutcomeRecord(made.id, Outcome(made.id, "begun"), START.later(121)),
        OutcomeRecord(
            made.id, Outcome(made.id, "helped", "gone from DNS"), START.later(200), "owl", {"demo-prod-000002": 7}
        ),
    ]
    assert kept.write([record]) == 0
    for one in outcomes:
        assert kept.write([one]) == 0
    found = kept.find(made.id)
    assert (found.decision, found.outcomes) == (made.decision, tuple(outcomes))
    told = [row for row in rows(found) if row.part == "outcome"]
    assert [row.what for row in told] == ["begun", "helped"]
    assert told[1].told == "gone from DNS; told 80 s after; lock 7 on demo-prod-000002; owl"


def test_an_outcome_goes_into_the_file_of_the_decisions_day(folder: Path, made: Deliberation) -> None:
    kept = Records(folder)
    kept.write([make_record(made, "demo-prod")])
    kept.write([OutcomeRecord(made.id, Outcome(made.id, "helped"), START.later(86_400))])
    assert kept.days() == [TODAY]
    assert len(lines(folder)) == 2


def test_every_line_is_one_document_of_a_known_kind(folder: Path, made: Deliberation) -> None:
    Records(folder).write(
        [make_record(made, "demo-prod", log=["two\nlines"]), OutcomeRecord(made.id, Outcome(made.id, "begun"), START)]
    )
    assert [json.loads(line)["kind"] for line in lines(folder)] == ["decision", "outcome"]


def test_records_are_for_their_owner_alone(folder: Path, made: Deliberation) -> None:
    Records(folder).write([make_record(made, "demo-prod")])
    (path,) = folder.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_line_that_was_cut_off_anywhere_costs_no_other(folder: Path, made: Deliberation) -> None:
    kept = Records(folder)
    record = make_record(made, "demo-prod")
    kept.write([record])
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    for cut in (*range(0, len(whole), 97), len(whole) - 2):
        path.write_bytes(whole + whole[:cut])
        kept.write([OutcomeRecord(made.id, Outcome(made.id, "helped"), START)])
        day = kept.read(TODAY)
        assert [one.outcomes[0].outcome.word for one in day.records] == ["helped"]
        assert day.damaged == (1 if cut else 0)


def test_an_outcome_without_its_decision_is_counted_as_damage(folder: Path, made: Deliberation) -> None:
    kept = Records(folder)
    kept.write([OutcomeRecord(made.id, Outcome(made.id, "helped"), START)])
    assert kept.read(TODAY) == records.Day((), 1)


def test_a_day_without_records_is_empty(folder: Path) -> None:
    assert Records(folder).read(TODAY) == records.Day(())
    assert Records(folder).days() == []
    assert Records(folder).prune(TODAY) == []


def test_what_is_not_there_is_said_to_be_so(folder: Path) -> None:
    with pytest.raises(NotFound, match="no record of 20261124t000000-0123456789"):
        Records(folder).find("20261124t000000-0123456789")


@pytest.mark.parametrize("name", ["", "latest", "20261124t000000", "20269924t000000-0123456789", "../../etc/passwd"])
def test_what_is_no_decision_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="is no decision"):
        Records(folder).find(name)


def test_records_go_after_ninety_days_and_nothing_else_does(folder: Path) -> None:
    folder.mkdir(parents=True)
    for days in (0, 90, 91, 400):
        (folder / f"{TODAY - timedelta(days=days)}.jsonl").touch()
    for name in ("notes.jsonl", "2026-01-01.txt", "2025-1-1.jsonl"):
        (folder / name).touch()
    kept = Records(folder)
    gone = [TODAY - timedelta(days=400), TODAY - timedelta(days=91)]
    assert kept.prune(TODAY) == gone
    assert kept.prune(TODAY) == []
    assert kept.days() == [TODAY - timedelta(days=90), TODAY]
    assert len(list(folder.iterdir())) == 5


def quiet(made: Deliberation) -> Deliberation:
    """The same, where nothing is done."""
    seen: tuple[Observation, ...] = ()
    return deliberate(made.state, seen, made.at)


def test_a_full_day_takes_only_what_acts_and_a_fuller_one_nothing(
    folder: Path, made: Deliberation, monkeypatch: pytest.MonkeyPatch
) -> None:
    acting, still = make_record(made, "demo-prod"), make_record(quiet(made), "demo-prod")
    outcome = OutcomeRecord(made.id, Outcome(made.id, "begun"), START)
    everything: Sequence[records.Line] = (acting, still, outcome)
    kept = Records(folder)
    assert kept.write(everything) == 0
    size = sum(path.stat().st_size for path in folder.iterdir())
    monkeypatch.setattr(records, "DAY_BYTES", size)
    assert kept.write(everything) == 1
    monkeypatch.setattr(records, "DAY_BYTES", size // 2)
    with pytest.raises(PermanentError, match="nothing more is written, nor done"):
        kept.write(everything)
    assert kept.write([still]) == 1


def test_a_log_is_kept_short_and_without_credentials(made: Deliberation) -> None:
    log = [f"line {number}" for number in range(500)] + ["password=hunter2", "x" * 9000]
    kept = make_record(made, "demo-prod", log=log).log
    assert (len(kept), kept[0]) == (200, "line 302")
    assert kept[-2] == "password=[redacted]"
    assert len(kept[-1]) <= LINE_LIMIT + 1


def test_a_decision_that_differs_is_told_by_what_differs(made: Deliberation) -> None:
    other = deliberate(made.state, (), made.at).decision
    assert differences(made.decision, made.decision) == []
    assert {"action", "considered", "because"} <= set(differences(made.decision, other))


def test_the_day_of_a_decision_is_in_its_name(made: Deliberation) -> None:
    assert day_of(made.id) == TODAY
    assert made.decision.target == droplet(1)
