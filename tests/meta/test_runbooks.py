"""Each runbook says by what it was tried, and that is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.meta.test_faults import defined_in

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
NAMED = re.compile(r"`(tests/[a-z0-9_/]+\.py)(?:::(test_\w+))?`")


def test_what_an_operator_needs_at_night_is_there() -> None:
    assert {page.stem for page in PAGES} >= {"lost-droplet", "full-disk", "provider-outage"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_runbook_names_tests_that_exist(page: Path) -> None:
    named = NAMED.findall(page.read_text())
    assert named
    assert [path for path, _ in named if not (ROOT / path).is_file()] == []
    assert [f"{path}::{name}" for path, name in named if name and name not in defined_in(path)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_link_of_a_runbook_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+\.md)\)", page.read_text())
    assert [link for link in links if not (page.parent / link).is_file()] == []
