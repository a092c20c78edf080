"""What is read of a system for an examination."""

from __future__ import annotations

import json
from pathlib import Path

from agent import wire
from agent.server import system
from agent.server.examination import ANSWERED, ASKED

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   2: 0A0A0A0A:270F 0B0B0B0B:1234 01 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
"""
TABLE6 = """\
  sl  local_address                         remote_address                        st
   0: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 0 0 0 0 0 1
   1: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0 0 0 0 0 1
"""


def test_ports_are_those_that_others_can_reach() -> None:
    assert system.listening([TABLE, TABLE6]) == (22, 443)


def test_keys_that_may_log_in_and_histories_are_leftovers_and_empty_files_are_not(tmp_path: Path) -> None:
    for name, text in {
        "root/.ssh/authorized_keys": "ssh-ed25519 AAAA",
        "root/.bash_history": "",
        "home/admin/.python_history": "import os",
        "home/admin/.ssh/authorized_keys2": "",
        "home/admin/.ssh/known_hosts": "x",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = [str(path.relative_to(tmp_path)) for path in system.leftovers(tmp_path)]
    assert found == ["root/.ssh/authorized_keys", "home/admin/.python_history"]


def test_packages_are_read_with_their_versions() -> None:
    assert system.packages("nginx:amd64=1.22.1-9+deb12u3\ntzdata:all=2025b-0+deb12u2\n\n") == {
        "nginx": "1.22.1-9+deb12u3",
        "tzdata": "2025b-0+deb12u2",
    }


def test_the_comment_of_a_key_does_not_count() -> None:
    assert wire.fingerprint(b"ssh-ed25519 AAAA root@one\n") == wire.fingerprint(b"ssh-ed25519 AAAA host")
    assert wire.fingerprint(b"ssh-ed25519 AAAA") != wire.fingerprint(b"ssh-ed25519 AAAB")


def test_the_question_is_gone_before_it_is_answered(tmp_path: Path) -> None:
    (tmp_path / ASKED).write_text(wire.Examine().model_dump_json())
    assert system.main(tmp_path) == 0
    assert not (tmp_path / ASKED).exists()
    answer = wire.Examination.model_validate(json.loads((tmp_path / ANSWERED).read_text()))
    assert answer.found == ()
    assert (tmp_path / ANSWERED).stat().st_mode & 0o777 == 0o600
