from __future__ import annotations

from tasks.reports import fenced, table


def test_a_cell_cannot_break_out_of_its_table() -> None:
    assert table(("a", "b"), [("x|y", "one\ntwo")]) == "| a | b |\n| --- | --- |\n| x\\|y | one two |"


def test_a_fence_in_a_log_does_not_end_the_block() -> None:
    assert fenced("before\n```\n# not a heading").count("```") == 2
