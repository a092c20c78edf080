"""Another version of the agent on droplets that serve: a good one stays, a bad one is gone before anybody notices."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import agent
from tasks.bake import wheelhouse
from tests.e2e.lab import ROOT, Lab, Run, reference
from tests.e2e.load import visitors
from tests.e2e.scenes import eventually, ours

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

CRASH = "raise SystemExit('made to crash at its start')\n"
WAY_BACK_SECONDS = 90.0


def wheel(folder: Path, version: str, crash: str = "") -> str:
    """The agent of this checkout under another version number."""
    source = folder / version / "agent"
    shutil.copytree(ROOT / "agent", source, ignore=shutil.ignore_patterns("__pycache__"))
    for name, old, new in (
        ("__init__.py", f'"{agent.__version__}"', f'"{version}"'),
        ("server/__main__.py", "import asyncio\n", f"import asyncio\n{crash}"),
    ):
        text = (source / name).read_text()
        assert old in text
        (source / name).write_text(text.replace(old, new))
    return str(wheelhouse.agent_wheel(lambda line: None, folder / "wheels", source))


def upgrade(lab: Lab, path: str) -> Run:
    """A run of the flow, ended."""
    return lab.run("upgrade-agents", environment=reference("environment", "lab-prod"), wheel=path)


def processes(lab: Lab) -> dict[str, str]:
    """Every container's id and process, by droplet."""
    found = {}
    for name in ours(lab):
        ids = lab.inside(name, "docker", "ps", "--quiet", "--no-trunc").split()
        found[name] = lab.inside(name, "docker", "inspect", "--format={{.Id}} {{.State.Pid}}", *ids)
    return found


def used(lab: Lab) -> list[str]:
    """The version that each droplet uses, in the order of their names."""
    return [lab.inside(name, "readlink", "/opt/deployer").strip().rpartition("/")[2] for name in ours(lab)]


def state(lab: Lab, droplet: str) -> dict[str, Any]:
    """What became of the last upgrade there; empty: there was none."""
    found = lab.inside(droplet, "cat", "/var/lib/deployer/upgrade/state.json")
    return dict(json.loads(found)) if found.startswith("{") else {}


def way_back(lab: Lab, droplet: str) -> float:
    """Seconds between the switch to the new version and the end of the way back."""
    command = ("journalctl", "--unit=deployer-upgrade", "--output=short-unix", "--no-pager")
    times = {line.split()[3]: float(line.split()[0]) for line in lab.inside(droplet, *command).splitlines()}
    return times["returned"] - times["trial"]


def test_a_version_that_crashes_at_its_start_is_taken_back_and_goes_no_further(lab: Lab, tmp_path: Path) -> None:
    before, names = processes(lab), ours(lab)
    with visitors(lab) as visit:
        run = upgrade(lab, wheel(tmp_path, "0.1.1", CRASH))
    assert not run.completed
    assert "version 0.1.1 of the agent is no good: it crashed 5 times" in lab.artifact(run.id)
    assert way_back(lab, names[0]) < WAY_BACK_SECONDS
    assert used(lab) == ["baked"] * len(names)
    assert [state(lab, name).get("phase") for name in names] == ["returned", *[None] * (len(names) - 1)]
    assert "made to crash at its start" in lab.artifact(run.id)
    assert processes(lab) == before
    assert visit.errors == []


def test_a_good_version_is_taken_by_one_droplet_and_then_by_the_rest(lab: Lab, tmp_path: Path) -> None:
    before, path = processes(lab), wheel(tmp_path, "0.1.2")
    with visitors(lab) as visit:
        run = upgrade(lab, path)
    assert run.completed, run.log
    assert [one.partition("-")[0] for one in used(lab)] == ["0.1.2"] * len(before)
    assert {state(lab, name)["phase"] for name in before} == {"upgraded"}
    assert lab.artifact(run.id).count("0.1.0 → 0.1.2") == len(before)
    assert processes(lab) == before
    assert visit.errors == []
    again = upgrade(lab, path)
    assert again.completed
    assert "nothing to do: every agent has this version already" in lab.artifact(again.id)


@pytest.mark.long
def test_where_the_guard_is_killed_the_droplet_goes_back(lab: Lab, tmp_path: Path) -> None:
    before, was, first = processes(lab), used(lab), ours(lab)[0]
    where = reference("environment", "lab-prod")
    run = lab.start("upgrade-agents", environment=where, wheel=wheel(tmp_path, "0.1.3"))
    eventually(lambda: state(lab, first).get("phase") == "trial", "the trial begins")
    lab.inside(first, "systemctl", "kill", "--signal=KILL", "--kill-whom=main", "deployer-upgrade.service")
    ended = lab.finish(run)
    assert "the upgrade was cut off" in lab.artifact(ended.id)
    assert used(lab) == was
    assert processes(lab) == before


@pytest.mark.long
def test_deploys_go_on_after_a_return_to_the_controllers_own_version(lab: Lab) -> None:
    run = upgrade(lab, "")
    assert run.completed, run.log
    assert [one.partition("-")[0] for one in used(lab)] == [agent.__version__] * len(ours(lab))
    assert lab.run("deploy", service=reference("service", "hello")).completed
