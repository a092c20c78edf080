"""What keeps a snapshot from being offered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fleet import lineage, naming
from fleet.examination import Examination, Origin, Seen, judge
from fleet.lineage import Lineage

ORIGIN = Origin("custom", "m1", ("k1",), (("the bake's key", "canary"),), "9001")
SEEN = Seen(12.5)
GOOD = Examination("m2", ("k2",), (80, 443, 9999), image="sha256:ab")


def test_a_droplet_that_is_as_it_should_be_makes_its_snapshot_ready() -> None:
    assert judge(ORIGIN, SEEN, GOOD) == ()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"listening": (22,)}, "an SSH server answers on port 22"),
        ({"ssh": ("ssh.service",)}, "sshd can be started (ssh.service)"),
        ({"machine": "m1"}, "it has the machine id of the droplet that it was taken of"),
        ({"host_keys": ("k2", "k1")}, "it has an SSH host key of the droplet that it was taken of"),
        ({"found": ((0, "/etc/x"),)}, "the bake left the bake's key in /etc/x"),
        ({"leftovers": ("/root/.bash_history",)}, "the bake left /root/.bash_history"),
        ({"nginx": "bad"}, "nginx does not take its configuration: bad"),
        ({"docker": "bad"}, "Docker runs no container: bad"),
        ({"image": ""}, "local/base:latest is not there"),
    ],
)
def test_each_fault_is_a_reason(change: dict[str, Any], reason: str) -> None:
    assert judge(ORIGIN, SEEN, replace(GOOD, **change)) == (reason,)


def test_what_is_seen_from_outside_counts_too() -> None:
    outside = Seen(1.0, ssh_answers=True, boot_secret_lives=True)
    assert len(judge(ORIGIN, outside, GOOD)) == 2
    assert judge(ORIGIN, Seen(None, "too slow"), None) == ("its agent gave no healthy answer: too slow",)
    assert judge(ORIGIN, Seen(1.0, "no unit"), None) == ("it could not be examined: no unit",)


def test_a_base_needs_no_image() -> None:
    assert judge(replace(ORIGIN, kind="base"), SEEN, replace(GOOD, image="")) == ()


def test_the_text_of_a_mark_is_not_shown() -> None:
    assert "canary" not in repr(ORIGIN)


def test_a_lineage_is_read_as_it_was_written() -> None:
    known = Lineage("9001", "0.1.0", "sha256:ab", lineage.digest({"nginx": "1.22"}), 12.5)
    assert lineage.read(lineage.write(known)) == known
    assert len(lineage.write(replace(known, reason="x" * 9000))) < 700


@pytest.mark.parametrize("text", ["", "our golden image", "[1]", '{"parent": "1"}', '{"deployer": 1, "ready'])
def test_a_description_of_somebody_else_says_nothing(text: str) -> None:
    assert lineage.read(text) == Lineage()


def test_only_what_was_proven_is_ready() -> None:
    ours = naming.snapshot_tags("base")
    assert naming.snapshot_state(ours) == "unproven"
    assert naming.snapshot_state(ours | {naming.READY_TAG}) == "ready"
    assert naming.snapshot_state(ours | {naming.READY_TAG, naming.REJECTED_TAG}) == "rejected"
    assert naming.snapshot_state(frozenset({naming.READY_TAG})) == "foreign"
