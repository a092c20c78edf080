"""What this host allows a machine, read from its status and cgroups."""

from __future__ import annotations

from pathlib import Path

from sandbox.machines.host import cgroup_binds, missing_capabilities, run_options

FULL = "Name:\tx\nCapBnd:\t000001ffffffffff\n"
WITHOUT_RESOURCE = "Name:\tx\nCapBnd:\t000001fffeffffff\n"


def test_a_host_with_every_capability_runs_machines_privileged(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text(FULL)
    (tmp_path / "cgroup.controllers").touch()
    assert run_options(status, tmp_path) == {"Privileged": True, "CgroupnsMode": "private"}
    assert cgroup_binds(tmp_path) == []


def test_a_capability_that_the_host_lacks_is_dropped(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text(WITHOUT_RESOURCE)
    options = run_options(status, tmp_path)
    assert (options["CapAdd"], options["CapDrop"]) == (["ALL"], ["SYS_RESOURCE"])
    assert options["CgroupnsMode"] == "host"
    assert cgroup_binds(tmp_path) == [f"{tmp_path}:{tmp_path}:rw"]


def test_an_older_kernel_lacks_nothing_that_it_does_not_know() -> None:
    assert missing_capabilities("CapBnd:\t0000003fffffffff\n") == []
