"""The health rule as a pure function of what was seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import wire
from agent.server import health
from agent.server.health import Observation, judge
from agent.server.ports import Instance
from agent.server.reading import Found
from tests.fakes.engine import FakeEngine
from tests.fakes.receiver import Receiver
from tests.unit.agent.builders import KINDS, NAME, spec

AT = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)
STATUSES = ["created", "running", "restarting", "exited", "paused", "dead"]


@pytest.mark.parametrize(
    ("seen", "verdict", "reason"),
    [
        (Observation(AT, answered=True, answer="it answers"), "healthy", "it answers"),
        (Observation(AT, answered=False, answer="no answer"), "unhealthy", "no answer"),
        (
            Observation(AT, answered=True, answer="it answers", log=Found(2)),
            "degraded",
            "it answers, but 2 error(s) in the log since the last check",
        ),
        (Observation(AT, answered=True, answer="it answers", log=Found(2), min_errors=3), "healthy", "it answers"),
        (Observation(AT, answered=True, answer="it answers", log=Found(ignored=9)), "healthy", "it answers"),
        (Observation(AT, answered=False, answer="no answer", log=Found(2)), "unhealthy", "no answer"),
        (Observation(AT, status=None, note="timed out"), "unknown", "Docker does not answer: timed out"),
        (Observation(AT, status="exited", exit_code=137), "unhealthy", "it does not run: exited with exit code 137"),
        (
            Observation(AT, status="created", error="no such file"),
            "unhealthy",
            "it does not run: created (no such file)",
        ),
        (Observation(AT, status="restarting"), "unhealthy", "it does not run: restarting"),
        (Observation(AT, role="previous", status="exited"), "healthy", "stopped, and kept for a rollback"),
        (Observation(AT, role="kept", status="exited"), "healthy", "stopped, and kept for a rollback"),
        (Observation(AT, role="previous", status="dead"), "unhealthy", "it does not run: dead"),
        (Observation(AT, role="candidate", status="exited"), "unhealthy", "it does not run: exited with exit code 0"),
    ],
)
def test_what_was_seen_gives_this_verdict_and_this_reason(seen: Observation, verdict: str, reason: str) -> None:
    found = judge(seen)
    assert (found.verdict, found.reason, found.checked_at) == (verdict, reason, AT)


def test_the_evidence_has_what_there_was_and_nothing_empty() -> None:
    seen = Observation(AT, answered=True, answer="it answers", log=Found(1, "ERROR no", notes=("a", "b")))
    assert judge(seen).evidence == {"probe": "it answers", "errors": "1", "log": "ERROR no", "note": "a; b"}


def worker(ran: timedelta, **changes: Any) -> Instance:
    """A worker that has run for so long."""
    with FakeEngine() as engine:
        made = engine.create(NAME, spec(1, engine.add_image(b"app").id, steady_seconds=5, **KINDS["worker"]))
    return replace(made, **{"status": "running", "started_at": AT - ran, **changes})


@pytest.mark.parametrize(
    ("instance", "steady", "seen"),
    [
        (worker(timedelta(seconds=60)), True, "it has run for more than 5 s"),
        (worker(timedelta(seconds=60), restarts=2), True, "it has run for more than 5 s, after 2 restart(s)"),
        (worker(timedelta(0)), False, "it has run for 0.0 s only; 5 s are wanted"),
        (worker(timedelta(0), restarts=9), False, "it has run for 0.0 s only, after 9 restart(s); 5 s are wanted"),
        (worker(timedelta(hours=1), status="restarting"), False, "it has run for 0.0 s only; 5 s are wanted"),
        (worker(timedelta(hours=-1)), True, "it runs; the clock was set back since it started"),
    ],
)
def test_a_worker_is_proven_by_having_run_for_a_while(instance: Instance, steady: bool, seen: str) -> None:
    assert health.probe(instance, AT) == (steady, seen)


def test_a_worker_that_was_seen_running_for_long_enough_is_steady_though_the_clock_was_set_back() -> None:
    just_started = worker(timedelta(0))
    assert health.probe(just_started, AT, ran=4.0)[0] is False
    assert health.probe(just_started, AT, ran=5.0)[0] is True
    assert health.probe(replace(just_started, status="restarting"), AT, ran=5.0)[0] is False


@given(
    st.sampled_from([None, *STATUSES]),
    st.sampled_from(["current", "candidate", "previous", "kept", "parked"]),
    st.booleans(),
    st.integers(0, 10_000),
)
def test_errors_alone_never_make_a_container_unhealthy_and_silence_of_docker_is_always_unknown(
    status: str | None, role: wire.Role, answered: bool, errors: int
) -> None:
    seen = Observation(AT, role=role, status=status, answered=answered, answer="x", log=Found(errors))
    calm = Observation(AT, role=role, status=status, answered=answered, answer="x")
    assert (judge(seen).verdict == "unknown") == (status is None)
    assert (judge(seen).verdict == "unhealthy") == (judge(calm).verdict == "unhealthy")


def probed(receiver: Receiver, path: str) -> tuple[bool, str]:
    """What a probe makes of a web container that listens there."""
    with FakeEngine() as engine:
        made = engine.create(NAME, spec(1, engine.add_image(b"app").id, health={"path": path}))
    return health.probe(replace(made, status="running", address=receiver.address, port=receiver.server_port))


@pytest.mark.parametrize("path", ["/up", "//127.0.0.2:{port}/up", "/@127.0.0.2:{port}/", "/%0d%0aHost:127.0.0.2"])
def test_a_probe_asks_its_own_container_alone_whatever_the_path_looks_like(path: str) -> None:
    with Receiver() as container, Receiver("127.0.0.2") as elsewhere:
        asked = path.format(port=elsewhere.server_port)
        assert probed(container, asked)[0] is True
        assert [(method, headers["host"]) for method, _, headers in container.calls] == [("GET", "hello.example.com")]
        assert elsewhere.calls == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_probe_follows_nobody_elsewhere(status: int) -> None:
    with Receiver() as container, Receiver("127.0.0.2") as elsewhere:
        container.statuses.append(status)
        container.location = elsewhere.url()
        assert probed(container, "/up")[0] is True
        assert (len(container.calls), elsewhere.calls) == (1, [])
