"""What the agents and the edge tell, in the words of the rules; and where a person finds the cause."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from agent import wire
from fleet.errors import HostsFailed, PermanentError, TransientError
from fleet.remediation.evidence import Probe
from fleet.remediation.moments import read_moment
from tasks import cause_report, causes
from tasks.agents import Unproven, translate
from tasks.health.droplets import _container
from tasks.releases import HalfDone
from tasks.verifying import Unserved, _refusal

NOW = datetime(2026, 11, 24, tzinfo=UTC)
CRASHED: dict[str, Any] = {
    "status": "restarting",
    "exit_code": 1,
    "restarts": 4,
    "port": 8080,
    "log": ["connecting as token=abc123", "KeyError: 'DATABASE_URL'"],
    "room": {"free": 10 << 30, "total": 25 << 30},
}
SYMPTOMS = wire.Symptoms.model_validate(CRASHED)


def refused(symptoms: wire.Symptoms | None = SYMPTOMS) -> Unproven:
    """The error of a candidate that did not become healthy."""
    problem = wire.Problem(
        code="not_healthy",
        message="It is not healthy.",
        hint="Read its log.",
        details={"log": "token=abc123"},
        symptoms=symptoms,
    )
    error = translate("demo-1", problem)
    assert isinstance(error, Unproven)
    return error


def test_a_refusal_names_its_cause_with_the_proof_and_what_to_do_in_place_of_the_hint() -> None:
    assert str(refused()) == (
        "demo-1: It is not healthy. Cause: missing variable: DATABASE_URL was not given; KeyError: 'DATABASE_URL'. "
        "Add it to the service's environment or secrets (a secret is a file in /run/secrets), and deploy."
    )


@pytest.mark.parametrize("symptoms", [None, wire.Symptoms(status="running")])
def test_without_a_cause_the_hint_stays(symptoms: wire.Symptoms | None) -> None:
    assert str(refused(symptoms)) == "demo-1: It is not healthy. Read its log."


def test_neither_the_log_nor_the_proof_shows_what_looks_like_a_credential() -> None:
    crashed = SYMPTOMS.model_copy(update={"log": ("password=hunter22",)})
    assert "hunter22" not in str(refused(crashed))
    assert refused().log == "token=[redacted]"


def test_facts_of_an_agent_become_evidence_one_by_one() -> None:
    told = wire.Symptoms.model_validate(
        {
            **CRASHED,
            "listening": [{"address": "0.0.0.0", "port": 3000}],  # noqa: S104  # what a container listens on
            "asks": [{"vantage": "nginx", "status": 502, "host": "hello.example.com", "path": "/"}],
            "image_architecture": "amd64",
            "machine_architecture": "arm64",
        }
    )
    found = causes.evidence(told, [Probe("edge", 502)])
    assert (found.status, found.exit_code, found.restarts, found.port) == ("restarting", 1, 4, 8080)
    assert [(one.address, one.port) for one in found.listening or ()] == [("0.0.0.0", 3000)]  # noqa: S104  # see above
    assert list(map(str, found.probes)) == ["nginx as hello.example.com /: 502", "edge: 502"]
    assert (found.image_architecture, found.machine_architecture) == ("amd64", "arm64")
    assert found.disk is not None
    assert found.disk.free == 10 << 30


def test_a_fan_out_and_what_could_not_be_taken_back_show_each_droplets_cause_in_a_table() -> None:
    failed = HostsFailed("Preparing", {"demo-1": "…", "demo-2": "…"}, 2, errors={"demo-1": refused()})
    half = HalfDone(failed, {"DNS": "open"})
    half.__cause__ = failed
    chapter = cause_report.section(half)
    assert chapter == cause_report.section(failed)
    assert chapter[0] == "## Cause"
    assert (
        "| demo-1 | missing variable | DATABASE_URL was not given; KeyError: 'DATABASE_URL' | Add it to " in chapter[1]
    )
    assert "demo-2" not in chapter[1]


def test_a_report_without_a_cause_has_no_such_chapter() -> None:
    assert cause_report.section(PermanentError("something else")) == []
    assert cause_report.section(None) == []


def test_a_name_that_is_not_served_tells_where_the_cause_was_seen() -> None:
    cause = refused().cause
    assert cause is not None
    error = Unserved(TransientError("https://a answers 502.", hint="Look."), "demo-1", cause)
    assert str(error).startswith("https://a answers 502. Cause, as seen at demo-1: missing variable: ")
    assert list(cause_report.known(error)) == ["demo-1"]


def test_the_fleet_table_says_why_a_container_is_unhealthy() -> None:
    ill = wire.Verdict(verdict="unhealthy", reason="it does not run", checked_at=NOW, symptoms=SYMPTOMS)
    seen = wire.Container(
        name="9fe5e6_demo_prod_web",
        role="current",
        release="r",
        image="i",
        status="restarting",
        started_at=None,
        restarts=4,
        verdict=ill,
    )
    at = read_moment()
    reason = _container("demo-prod", "demo-1", seen, {}, at).reason
    assert reason.startswith("it does not run. Cause: missing variable: DATABASE_URL was not given; ")
    unjudged = seen.model_copy(update={"verdict": None})
    assert _container("demo-prod", "demo-1", unjudged, {}, at).reason == "not judged yet"


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (httpx.ConnectTimeout("timed out"), "timeout"),
        (httpx.ReadTimeout("timed out"), "timeout"),
        (httpx.ConnectError("[Errno -2] Name or service not known"), "name"),
        (httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"), "tls"),
        (httpx.ConnectError("[Errno 111] Connection refused"), "refused"),
        (httpx.RemoteProtocolError("Server disconnected without sending a response."), "closed"),
    ],
)
def test_why_the_edge_gave_no_answer_is_told_apart(error: httpx.TransportError, word: str) -> None:
    assert _refusal(error) == word
