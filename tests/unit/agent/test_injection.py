"""A fault that was ordered: it happens, it ends by itself, and it is undone however its process ends."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent import wire
from agent.server import injection
from agent.server.injection import ENDED, FAULTS, FILL, ORDERED, TOLD, Place

CONTAINER = "9fe5e6_demo_prod_web"


class System:
    """What was done to the system; `refuses` makes one program fail, `before` is called before each."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.refuses = ""
        self.before: Callable[[], None] = lambda: None

    def __call__(self, *words: str) -> None:
        """One program."""
        self.before()
        self.done.append(" ".join(words))
        if self.refuses and self.refuses in words:
            raise subprocess.CalledProcessError(1, words, stderr="it will not")


@pytest.fixture
def system() -> System:
    return System()


@pytest.fixture
def place(tmp_path: Path, system: System) -> Place:
    for name in ("run", "state"):
        (tmp_path / name).mkdir()
    return Place(tmp_path / "run", tmp_path / "state", system)


def order(place: Place, fault: str, **changes: Any) -> None:
    """The drill lies there, and is to end at once."""
    named = {"container": CONTAINER} if fault == "container" else {}
    asked = {"fault": fault, "holder": "the tests", **named, **changes}
    wire.DrillOrder.model_validate(asked)
    (place.run / ORDERED).write_text(json.dumps({**asked, "began_at": "2026-11-24T00:00:00Z"}))
    (place.run / ENDED).touch()


def told(place: Place) -> tuple[str, str]:
    said = json.loads((place.run / TOLD).read_text())
    return said["phase"], said["reason"]


@pytest.mark.parametrize(
    ("fault", "done"),
    [
        ("container", [f"docker kill {CONTAINER}"]),
        ("agent-kill", ["systemctl kill --signal=SIGKILL --kill-who=main deployer-agent.service"]),
        ("docker", ["systemctl restart docker.service"]),
        ("nginx", ["systemctl stop nginx.service", "systemctl start nginx.service"]),
        (
            "agent-hang",
            [
                "systemctl kill --signal=SIGSTOP --kill-who=main deployer-agent.service",
                "systemctl kill --signal=SIGCONT --kill-who=main deployer-agent.service",
            ],
        ),
    ],
)
def test_each_fault_happens_and_what_can_be_undone_is_undone(
    place: Place, system: System, fault: str, done: list[str]
) -> None:
    order(place, fault)
    assert injection.inject(place) == 0
    assert system.done == done
    assert told(place) == ("over", "")


def test_a_full_disk_is_one_file_of_a_bounded_size_that_goes_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(injection, "_wait", lambda *_: sizes.append((place.state / FILL).stat().st_size))
    order(place, "disk", fill_mib=3)
    assert injection.inject(place) == 0
    assert sizes == [3 << 20]
    assert not (place.state / FILL).exists()


def test_an_agent_that_is_just_being_started_needs_no_waking(place: Place, system: System) -> None:
    order(place, "agent-hang")
    system.refuses = "--signal=SIGCONT"
    assert injection.inject(place) == 0
    assert told(place) == ("over", "")


def test_every_fault_of_the_protocol_has_its_row() -> None:
    assert set(FAULTS) == set(wire.DrillFault.__args__)  # type: ignore[attr-defined]  # of a Literal


def test_a_fault_lasts_until_its_time_is_over(place: Place, system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("agent.server.injection.time.monotonic", lambda: now[0])
    monkeypatch.setattr("agent.server.injection.time.sleep", lambda seconds: now.append(now.pop() + seconds))
    order(place, "nginx", seconds=30)
    (place.run / ENDED).unlink()
    injection.inject(place)
    assert 130.0 <= now[0] < 131.0
    assert len(system.done) == 2


def test_a_process_that_is_killed_meanwhile_leaves_nothing_behind(place: Place, system: System) -> None:
    class Killed(BaseException):
        """SIGKILL."""

    def die() -> None:
        raise Killed

    order(place, "nginx")
    system.before = die
    with pytest.raises(Killed):
        injection.inject(place)
    system.before = lambda: None
    assert [injection.undo(place) for _ in range(2)] == [0, 0]
    assert system.done == ["systemctl start nginx.service"]
    assert told(place) == ("over", "it was cut off, and undone")


def test_nothing_is_undone_of_a_drill_that_is_over_or_was_never(place: Place, system: System) -> None:
    assert injection.undo(place) == 0
    order(place, "nginx")
    injection.inject(place)
    assert injection.undo(place) == 0
    assert system.done == ["systemctl stop nginx.service", "systemctl start nginx.service"]


def test_a_fault_that_does_not_happen_says_why_and_is_undone_all_the_same(place: Place, system: System) -> None:
    order(place, "nginx")
    system.refuses = "stop"
    assert injection.inject(place) == 1
    assert told(place) == ("failed", "it will not")
    assert system.done[-1] == "systemctl start nginx.service"


@pytest.mark.parametrize(
    "asked",
    [
        {"fault": "container"},
        {"fault": "nginx", "container": CONTAINER},
        {"fault": "nginx", "seconds": 601},
        {"fault": "nginx", "seconds": 9},
        {"fault": "disk", "fill_mib": 65_537},
        {"fault": "rm -rf /"},
        {"fault": "container", "container": "--all"},
    ],
)
def test_an_order_that_means_nothing_is_refused_at_the_door(asked: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        wire.DrillOrder.model_validate({"holder": "the tests", **asked})
