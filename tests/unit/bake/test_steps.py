"""The steps' decisions, without a droplet."""

from __future__ import annotations

import json
from threading import Barrier
from typing import cast

import pytest

from fleet.errors import PermanentError, TransientError
from tasks.bake import run_phases
from tasks.bake.shell import Shell, answers, connect
from tasks.bake.steps import INSTALL, Step, check_system, docker_settings
from tasks.userdata import new_key_pair

WAIT_SECONDS = 5


class Recorder:
    """A droplet that knows the answers to `read` and `run` it was given, and refuses every other question."""

    address = "192.0.2.10"

    def __init__(self, files: dict[str, str], replies: dict[str, str]) -> None:
        self.lines: list[str] = []
        self._files, self._replies = files, replies

    def log(self, line: str) -> None:
        self.lines.append(line)

    def read(self, path: str) -> str | None:
        return self._files.get(path)

    def run(self, *command: str, timeout: float = 0, accept: tuple[int, ...] = (0,)) -> str:
        return self._replies[" ".join(command)]


def droplet(version: str, machine: str) -> Shell:
    release = f'ID=debian\nVERSION_ID="{version}"\nPRETTY_NAME="Debian"\n'
    return cast(Shell, Recorder({"/etc/os-release": release}, {"uname --machine": f"{machine}\n"}))


def test_debian_12_on_x86_64_is_accepted() -> None:
    check_system(droplet("12", "x86_64"))


@pytest.mark.parametrize(("version", "machine"), [("13", "x86_64"), ("12", "aarch64")])
def test_another_system_is_refused_with_what_to_do(version: str, machine: str) -> None:
    with pytest.raises(PermanentError, match="Bake from the image debian-12-x64"):
        check_system(droplet(version, machine))


def test_dockers_settings_keep_what_others_set_there() -> None:
    merged = json.loads(
        docker_settings('{"registry-mirrors": ["http://mirror"], "live-restore": false}', "daemon.json")
    )
    assert merged == {
        "live-restore": True,
        "log-driver": "json-file",
        "log-opts": {"max-file": "3", "max-size": "10m"},
        "registry-mirrors": ["http://mirror"],
        "userland-proxy": False,
    }


def test_merging_dockers_settings_again_changes_nothing() -> None:
    once = docker_settings(None, "daemon.json")
    assert docker_settings(once, "daemon.json") == once


@pytest.mark.parametrize("present", ["[]", "{", "3"])
def test_settings_that_are_no_object_are_refused(present: str) -> None:
    with pytest.raises(PermanentError, match=r"daemon\.json on the droplet is no JSON object"):
        docker_settings(present, "daemon.json")


def test_the_steps_of_a_phase_run_at_the_same_time() -> None:
    together = Barrier(2, timeout=WAIT_SECONDS)

    def meet(_: Shell) -> None:
        together.wait()

    shell = cast(Shell, Recorder({}, {}))
    assert set(run_phases(shell, [[Step("one", meet), Step("two", meet)]])) == {"one", "two"}


def test_a_failed_step_ends_the_bake_before_the_next_phase() -> None:
    ran: list[str] = []

    def fail(_: Shell) -> None:
        raise PermanentError("no")

    phases = [[Step("fails", fail)], [Step("never", lambda _: ran.append("never"))]]
    with pytest.raises(PermanentError):
        run_phases(cast(Shell, Recorder({}, {})), phases)
    assert ran == []


def test_every_step_has_a_name_of_its_own() -> None:
    names = [step.name for phase in INSTALL for step in phase]
    assert len(set(names)) == len(names)


def test_where_nothing_listens_nothing_answers() -> None:
    assert not answers("127.0.0.1", port=1)


def test_no_ssh_before_the_deadline_says_what_was_last_seen() -> None:
    key, host_key = new_key_pair("bake"), new_key_pair("host")
    with pytest.raises(TransientError, match=r"127\.99\.0\.1: no SSH within 1 s; last seen: .*firewall"):
        connect("127.99.0.1", key.private, host_key.public, lambda line: None, timeout=1)
