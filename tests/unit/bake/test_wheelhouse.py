"""The archive that a droplet gets: locked, complete, and the same for the same sources."""

from __future__ import annotations

import configparser
import hashlib
import io
import json
import re
import tarfile
import zipfile
from pathlib import Path

import pytest

import agent
from tasks.bake import wheelhouse
from tasks.bake.steps import UNITS
from tasks.bake.verify import WALL

LOCK = (wheelhouse.PACKAGING / "requirements.lock").read_text()
PINNED = re.compile(r"^([a-z0-9-]+)==(\S+) \\$", re.MULTILINE)


def pins(text: str) -> dict[str, str]:
    return dict(PINNED.findall(text))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> wheelhouse.Bundle:
    return wheelhouse.make_bundle(lambda line: None)


@pytest.fixture(scope="module")
def members(bundle: wheelhouse.Bundle) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(bundle.archive)) as archive:
        return {member.name: (archive.extractfile(member) or io.BytesIO()).read() for member in archive}


def test_the_agents_lock_has_hashes_and_no_index_address() -> None:
    assert all("--hash=sha256:" in block for block in re.split(r"\n(?=[a-z])", LOCK))
    assert "://" not in LOCK
    assert "index" not in LOCK


def test_the_droplet_runs_the_versions_that_the_tests_run() -> None:
    ours = pins((wheelhouse.REPOSITORY / "requirements.lock").read_text())
    assert {name: ours.get(name) for name in pins(LOCK)} == pins(LOCK)


def test_every_locked_requirement_is_in_the_archive(members: dict[str, bytes]) -> None:
    shipped = {name.split("/")[1].split("-")[0].replace("_", "-").lower() for name in members if "wheels/" in name}
    assert shipped == {*pins(LOCK), "pip", "deployer-agent"}


def test_the_requirements_pin_the_agents_own_wheel_by_its_hash(members: dict[str, bytes]) -> None:
    wheel = next(content for name, content in members.items() if name.startswith("wheels/deployer_agent-"))
    line = f"deployer-agent=={agent.__version__} --hash=sha256:{hashlib.sha256(wheel).hexdigest()}"
    assert members["requirements.txt"].decode().splitlines()[-1] == line


def test_the_agents_wheel_holds_the_agent_alone(members: dict[str, bytes]) -> None:
    wheel = next(content for name, content in members.items() if name.startswith("wheels/deployer_agent-"))
    names = zipfile.ZipFile(io.BytesIO(wheel)).namelist()
    assert {name.split("/")[0] for name in names} == {"agent", f"deployer_agent-{agent.__version__}.dist-info"}
    assert "agent/wire/base.py" in names
    assert not [name for name in names if "packaging" in name or "__pycache__" in name]


def test_the_same_sources_give_the_same_archive(bundle: wheelhouse.Bundle) -> None:
    assert wheelhouse.make_bundle(lambda line: None) == bundle


def test_a_wheel_that_is_built_again_has_the_same_bytes(tmp_path: Path) -> None:
    built = [wheelhouse.agent_wheel(lambda line: None, tmp_path / name) for name in ("one", "two")]
    assert built[0].read_bytes() == built[1].read_bytes()


def test_every_unit_that_is_enabled_is_delivered(members: dict[str, bytes]) -> None:
    assert {name for name in UNITS if f"root/etc/systemd/system/{name}" not in members} == set()


def test_the_agents_unit_has_a_watchdog_a_memory_limit_and_always_restarts(members: dict[str, bytes]) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's names have capitals
    unit.read_string(members["root/etc/systemd/system/deployer-agent.service"].decode())
    service = dict(unit["Service"])
    assert {key: service[key] for key in ("Type", "Restart", "WatchdogSec", "MemoryMax", "StateDirectoryMode")} == {
        "Type": "notify",
        "Restart": "always",
        "WatchdogSec": "20",
        "MemoryMax": "256M",
        "StateDirectoryMode": "0700",
    }


def test_the_wall_that_a_bake_asks_for_is_built_before_docker_starts_and_docker_needs_it(
    members: dict[str, bytes],
) -> None:
    system = "root/etc/systemd/system"
    unit = members[f"{system}/deployer-metadata-wall.service"].decode()
    built = re.findall(r"^ExecStart=/usr/sbin/iptables --wait 10 --insert (.*)$", unit, re.MULTILINE)
    taken = re.findall(r"^ExecStartPre=-/usr/sbin/iptables --wait 10 --delete (.*)$", unit, re.MULTILINE)
    assert built == taken == [" ".join(rule) for rule in WALL]
    assert "\nBefore=docker.service\n" in unit
    assert "\nRequires=deployer-metadata-wall.service\n" in members[f"{system}/docker.service.d/deployer.conf"].decode()


def test_no_delivered_file_holds_a_key(members: dict[str, bytes]) -> None:
    system = {name: content for name, content in members.items() if name.startswith("root/")}
    assert [name for name, content in system.items() if b"PRIVATE KEY" in content] == []


def test_docker_survives_its_own_restart_and_bounds_its_logs() -> None:
    settings = json.loads((wheelhouse.PACKAGING / "docker.json").read_text())
    assert settings["live-restore"] is True
    assert settings["log-opts"] == {"max-file": "3", "max-size": "10m"}
    assert "storage-driver" not in settings
