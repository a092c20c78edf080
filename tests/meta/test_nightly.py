"""What runs each night is what `make` knows, and its result is kept."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
JOB: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "nightly.yml").read_text())["jobs"]["test-long"]


def test_it_runs_commands_that_make_knows() -> None:
    told = " ".join(step.get("run", "") for step in JOB["steps"])
    wanted = re.findall(r"\bmake ([a-z-]+)", told)
    known = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert wanted == ["test-long", "histories"]
    assert set(wanted) <= set(known)


def test_what_they_said_is_kept_also_when_one_fails() -> None:
    *_, last = JOB["steps"]
    assert (last["if"], last["with"]["path"]) == ("always()", ".state/long")
    assert JOB["defaults"]["run"]["shell"] == "bash", "a pipe fails with any of its parts"
    assert "--junitxml=.state/long/" in (ROOT / "Makefile").read_text()
