"""The health rule, case by case, on real containers: what they do and write gives this verdict and this reason.

The time is always given, never waited for: the nights, the leap day and the runs that are missed are past ones.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agent import wire
from agent.docker_api import DockerApi
from agent.server import health, instances
from agent.server.cursors import Cursors
from agent.server.ports import EngineError, Instance
from agent.server.reading import MOST_LINES, Reader
from tests.contract.agent.engines import SOCKET, Lab
from tests.contract.sandbox.cloudflare.serving import until
from tests.unit.agent.builders import KINDS, release, spec

pytestmark = [
    pytest.mark.docker,
    pytest.mark.parametrize("shared_lab", [pytest.param("docker", marks=pytest.mark.docker)], indirect=True),
]
NAME = f"9fe5e6_truth_p{os.getpid()}_web"
"""Nobody else on this Docker has containers of that name."""
SERVES = "/busybox httpd -f -p 8080 -h /"
SLEEPS = "exec /busybox sleep 1000"
CALM, LOUD = "echo all is well", "echo 'ERROR the disk is full' >&2"


@dataclass
class Table:
    """A service on Docker, and observers who look at it."""

    lab: Lab
    cursors: Cursors = field(default_factory=Cursors)

    def runs(self, script: str, number: int = 1, **changes: Any) -> Instance:
        """A release is current, and runs this in a shell."""
        self.made(script, number, **changes)
        self.lab.engine.start(NAME)
        return self.current

    def made(self, script: str, number: int = 1, **changes: Any) -> Instance:
        """A release is current, and has not been started."""
        wanted = {"command": ("/busybox", "sh", "-c", script), **changes}
        made = self.lab.engine.create(NAME, spec(number, self.lab.image.id, **wanted))
        self.lab.engine.rename(made, "current")
        return self.current

    def wrote(self, text: str, times: int = 1) -> None:
        """Once the current container has written this so often."""
        until(lambda: self.text().count(text) >= times, f"it writes {text}")

    def text(self) -> str:
        """The end of its log."""
        return "\n".join(entry.text for entry in self.lab.engine.logs(NAME, tail=200))

    def serves(self) -> None:
        """Once it answers."""
        until(lambda: health.probe(self.current)[0], "it answers")

    def ended(self) -> None:
        """Once its process has ended."""
        until(lambda: self.current.stopped, "it ends")

    def kept(self, instance: Instance, role: wire.Role) -> None:
        """It ends, and makes room for another."""
        self.lab.engine.stop(instance.full_name, 0)
        self.lab.engine.rename(instance, role)

    @property
    def current(self) -> Instance:
        """The current container."""
        return next(one for one in self.lab.engine.instances(NAME) if one.role == "current")

    def look(self, observer: str = "one", now: datetime | None = None, ran: float = 0.0) -> wire.Verdict:
        """What an observer is told of it."""
        current, all_of_it = self.current, self.lab.engine.instances(NAME)
        reader = Reader(self.lab.engine, self.cursors, observer, now or datetime.now(UTC))
        return health.look(reader, current, all_of_it, ran)


@pytest.fixture
def table(lab: Lab) -> Table:
    return Table(lab)


@pytest.fixture
def small_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker turns a container's log over after 8 KiB, and keeps the one before."""
    monkeypatch.setattr(instances, "LOG_OPTIONS", {"max-size": "8k", "max-file": "2"})


PORTS: dict[str, dict[str, Any]] = {
    "web": {},
    "web with a path": {"health": {"path": "/busybox", "start_seconds": 1}},
    "tcp": KINDS["tcp"],
}


@pytest.mark.parametrize("kind", PORTS)
@pytest.mark.parametrize(("writes", "word"), [(CALM, "healthy"), (LOUD, "degraded")])
def test_what_answers_at_its_port_is_as_well_as_its_log(table: Table, kind: str, writes: str, word: str) -> None:
    table.runs(f"{writes}; exec {SERVES}", **PORTS[kind])
    table.serves()
    assert table.look().verdict == word


@pytest.mark.parametrize("kind", PORTS)
@pytest.mark.parametrize("writes", [CALM, LOUD])
def test_what_runs_and_does_not_answer_is_unhealthy_whatever_it_writes(table: Table, kind: str, writes: str) -> None:
    table.runs(f"{writes}; {SLEEPS}", **PORTS[kind])
    assert table.look().verdict == "unhealthy"


def test_a_path_that_is_not_there_is_unhealthy_and_a_port_alone_is_healthy(table: Table) -> None:
    path = {"path": "/not-there", "start_seconds": 1}
    table.runs(f"exec {SERVES}", health=path)
    until(lambda: "404" in health.probe(table.current)[1], "it answers")
    found = table.look()
    assert (found.verdict, found.reason.endswith("answered 404")) == ("unhealthy", True)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'ERROR no disk'; exit 3", "it does not run: exited with exit code 3"),
        ("echo 'ERROR no disk'; exit 0", "it does not run: exited with exit code 0"),
    ],
)
def test_what_has_ended_is_unhealthy_with_its_code_and_its_last_words(table: Table, script: str, reason: str) -> None:
    table.runs(script, **KINDS["scheduled"])  # of this kind Docker starts none again
    table.ended()
    found = table.look()
    assert (found.verdict, found.reason, found.evidence["log"]) == ("unhealthy", reason, "ERROR no disk")


def test_what_was_killed_is_unhealthy_with_the_code_of_that(table: Table) -> None:
    table.runs(f"exec {SERVES}")
    table.serves()
    DockerApi(SOCKET).json("POST", f"/containers/{NAME}/kill")
    table.ended()
    assert table.look().reason == "it does not run: exited with exit code 137"


def test_what_docker_cannot_start_is_unhealthy_with_dockers_reason(table: Table) -> None:
    table.made("", command=("/not/there",))
    with pytest.raises(EngineError):
        table.lab.engine.start(NAME)
    found = table.look()
    assert found.verdict == "unhealthy"
    assert "no such file" in found.reason


def test_what_is_paused_is_unhealthy(table: Table) -> None:
    table.runs(f"exec {SERVES}")
    table.serves()
    api = DockerApi(SOCKET)
    api.json("POST", f"/containers/{NAME}/pause")
    try:
        found = table.look()
    finally:
        api.json("POST", f"/containers/{NAME}/unpause")
    assert (found.verdict, found.reason) == ("unhealthy", "it does not run: paused")


@pytest.mark.parametrize(
    ("seconds", "ran", "word"),
    [(4, 0.0, "unhealthy"), (6, 0.0, "healthy"), (1, 60.0, "healthy"), (-3600, 0.0, "healthy")],
)
def test_a_worker_is_healthy_once_it_has_run_for_a_while_whatever_the_clock_says(
    table: Table, seconds: int, ran: float, word: str
) -> None:
    begun = table.runs(SLEEPS, **KINDS["worker"]).started_at
    assert begun is not None
    assert table.look(now=begun + timedelta(seconds=seconds), ran=ran).verdict == word


def test_a_worker_that_logs_errors_is_degraded_until_the_next_check(table: Table) -> None:
    table.runs(f"{LOUD}; {SLEEPS}", **KINDS["worker"])
    table.wrote("ERROR")
    seen = [table.look(observer, ran=60.0).verdict for observer in ("one", "two", "one", "two")]
    assert seen == ["degraded", "degraded", "healthy", "healthy"]


def test_a_worker_that_ends_again_and_again_is_unhealthy(table: Table) -> None:
    table.runs("exit 1", **KINDS["worker"])
    until(lambda: table.current.restarts > 0, "Docker starts it again")
    assert table.look().verdict == "unhealthy"


@pytest.mark.usefixtures("small_logs")
def test_a_log_that_was_rotated_is_told_as_a_gap_and_errors_after_it_are_told(table: Table) -> None:
    flood = "for i in $(/busybox seq 400); do echo a line that fills the log $i; done; echo ERROR the disk is full"
    table.runs(f"echo begin; while ! test -e /go; do /busybox sleep 0.01; done; {flood}; {SLEEPS}")
    table.wrote("begin")
    for observer in ("one", "two"):
        table.look(observer)
    _touch("/go")
    table.wrote("ERROR")
    for observer in ("one", "two"):
        found = table.look(observer)
        assert found.evidence["errors"] == "1"
        assert found.evidence["note"].startswith("the log was rotated: lines after ")
        again = table.look(observer)
        assert ("errors" in again.evidence, "note" in again.evidence) == (False, False)


def test_more_lines_than_a_check_may_read_are_told(table: Table) -> None:
    flood = "/busybox seq 30000; echo ERROR the disk is full"
    table.runs(f"echo begin; while ! test -e /go; do /busybox sleep 0.01; done; {flood}; {SLEEPS}")
    table.wrote("begin")
    table.look()
    _touch("/go")
    table.wrote("ERROR")
    found = table.look()
    assert found.evidence["errors"] == "1"
    assert found.evidence["note"].startswith(f"more than {MOST_LINES} lines")


def test_the_last_words_of_a_container_that_was_replaced_are_told_to_every_observer(table: Table) -> None:
    old = table.runs(f"echo begin; while ! test -e /go; do /busybox sleep 0.01; done; {LOUD}; {SLEEPS}")
    table.wrote("begin")
    for observer in ("one", "two"):
        table.look(observer)
    _touch("/go")
    table.wrote("ERROR")
    table.kept(old, "previous")
    table.runs(f"exec {SERVES}", 2)
    table.serves()
    for observer in ("one", "two"):
        found = table.look(observer)
        assert (found.verdict, found.evidence["log"]) == ("degraded", "ERROR the disk is full")
        assert found.evidence["note"].endswith(f"the container before it, release {release(1)}")
        assert table.look(observer).verdict == "healthy"


def test_what_a_service_ignores_is_not_held_against_it(table: Table) -> None:
    table.runs(f"{LOUD}; exec {SERVES}", log={"ignore": ["disk is (full|slow)$"]})
    table.serves()
    found = table.look()
    assert (found.verdict, found.evidence["ignored"]) == ("healthy", "1")


def _touch(path: str) -> None:
    """A file appears in the current container."""
    api = DockerApi(SOCKET)
    made = api.json("POST", f"/containers/{NAME}/exec", {"Cmd": ["/busybox", "touch", path]})
    api.json("POST", f"/exec/{made['Id']}/start", {"Detach": True})
