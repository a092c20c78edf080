"""A droplet that is asked to look at itself, over TLS: the answer comes, and the question stays nowhere."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from agent import wire
from agent.client import AgentClient, AgentProblem
from tests.contract.agent.journal import Journal
from tests.contract.agent.serving import droplet
from tests.flows.machines import WELL

MARK = "a mark that nobody may repeat"


def examiner(folder: Path) -> tuple[str, ...]:
    """Plays the unit that systemd runs: answers when the question is there, for its owner alone."""
    (folder / "answer.json").write_text(json.dumps(WELL))
    program = (
        "import pathlib, shutil, sys; run = pathlib.Path(sys.argv[1]); asked = run / 'examine.json'; "
        "assert sys.argv[3] in asked.read_text() and asked.stat().st_mode & 0o777 == 0o600; "
        "shutil.copy(sys.argv[2], run / 'examined.json')"
    )
    return (sys.executable, "-c", program, str(folder / "run"), str(folder / "answer.json"), MARK)


def test_a_droplet_answers_what_its_system_says_and_keeps_neither_question_nor_answer(
    tmp_path: Path, journal: Journal
) -> None:
    with droplet(tmp_path, examine_command=examiner(tmp_path)) as lab, lab.keyed() as http:
        found = AgentClient(http).examine(wire.Examine(marks=(MARK,)))
    assert found == wire.Examination.model_validate(WELL)
    assert not [path for path in (tmp_path / "run").rglob("*.json")]
    assert MARK not in str(journal.lines)


def test_a_system_that_cannot_be_examined_says_why_and_where_to_look(tmp_path: Path) -> None:
    with (
        droplet(tmp_path, examine_command=("ls", "/none")) as lab,
        lab.keyed() as http,
        pytest.raises(AgentProblem) as caught,
    ):
        AgentClient(http).examine(wire.Examine(marks=(MARK,)))
    assert caught.value.problem.code == "examine"
    assert "cannot access '/none'" in caught.value.problem.message
    assert caught.value.problem.hint == "See `journalctl -u deployer-examine`."
    assert not [path for path in (tmp_path / "run").rglob("*.json")]


@pytest.mark.parametrize("marks", [("short",), ("x" * 5000,), ("long enough for one mark",) * 33])
def test_marks_are_bounded(marks: tuple[str, ...], tmp_path: Path) -> None:
    with droplet(tmp_path) as lab, lab.keyed() as http:
        assert http.post("/examine", json={"marks": marks}).status_code == 422
