"""How well the classifier reads what real programs wrote."""

from __future__ import annotations

import pytest

from agent.server import levels
from tests.corpus import programs, score, total


def test_at_least_ten_programs_are_in_the_corpus() -> None:
    assert len(programs()) >= 10


@pytest.mark.parametrize("program", programs())
def test_no_line_of_a_real_program_is_wrongly_called_an_error(program: str) -> None:
    assert score(program).wrong == ()


def test_nine_of_ten_errors_in_the_corpus_are_found() -> None:
    assert total([score(program) for program in programs()]).recall >= 0.9


@pytest.mark.parametrize("unit", ['"GET ', "a.", "[", "\x1b[", "level=", "Error", "thread '", "A" * 9 + "Error"])
def test_a_line_of_a_mebibyte_is_read_to_its_bound_only(unit: str) -> None:
    long = (unit * (1 << 20))[: 1 << 20]
    assert levels.is_error(long) == levels.is_error(long[:4096])
