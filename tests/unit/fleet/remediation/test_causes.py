"""One cause, named from evidence: the table, row by row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.remediation.causes import CAUSES, classify
from fleet.remediation.evidence import Disk, Evidence, Listener, Lookup, Probe

NAME = "hello.example.com"
ROOM = Disk(10 * 2**30, 25 * 2**30, 900_000)
INNER = Probe("container", 200, host=NAME, path="/")
NGINX = Probe("nginx", 200, host=NAME)
WELL = Evidence(
    status="running",
    ran=3600,
    port=8080,
    listening=(Listener("0.0.0.0", 8080),),  # noqa: S104  # what a container listens on
    probes=(INNER, NGINX, Probe("direct", 200, host=NAME), Probe("edge", 200, host=NAME)),
    disk=ROOM,
    lookups=(Lookup(NAME, ("198.51.100.7",), ("198.51.100.0/24",), True),),
    image_architecture="amd64",
    machine_architecture="amd64",
)
REFUSED = (Probe("container", error="refused"), Probe("nginx", 502, host=NAME), Probe("edge", 502, host=NAME))
CRASHED = replace(WELL, status="restarting", exit_code=1, restarts=4, ran=2, listening=None, probes=REFUSED)
EVERYBODY = "0.0.0.0"  # noqa: S104  # what a container listens on


def probed(*probes: Probe, evidence: Evidence = WELL) -> Evidence:
    """The evidence with these probes."""
    return replace(evidence, probes=probes)


CASES: list[tuple[str, Evidence]] = [
    ("disk full", replace(CRASHED, disk=Disk(3 * 2**20, 25 * 2**30))),
    ("disk full", replace(CRASHED, disk=Disk(10 * 2**30, 25 * 2**30, 0))),
    ("disk full", replace(CRASHED, disk=None, log=("OSError: [Errno 28] No space left on device",))),
    ("disk full", replace(CRASHED, disk=None, docker_error="write /var/lib/docker/x: no space left on device")),
    ("image architecture", replace(CRASHED, image_architecture="arm64", exit_code=255)),
    (
        "image architecture",
        replace(CRASHED, image_architecture="", log=("exec /app/server: exec format error",), exit_code=1),
    ),
    ("out of memory", replace(CRASHED, oom=True, exit_code=137)),
    ("out of memory", replace(CRASHED, exit_code=1, log=("java.lang.OutOfMemoryError: Java heap space",))),
    ("out of memory", replace(CRASHED, exit_code=134, log=("FATAL ERROR: ... JavaScript heap out of memory",))),
    ("missing variable", replace(CRASHED, log=("Traceback …", "KeyError: 'DATABASE_URL'"))),
    ("missing variable", replace(CRASHED, log=("Error: environment variable DATABASE_URL is not set",))),
    ("missing variable", replace(CRASHED, log=('panic: required environment variable "API_KEY" not set',))),
    ("missing variable", replace(CRASHED, log=("/start.sh: line 3: SECRET_KEY: unbound variable",))),
    ("missing variable", replace(CRASHED, log=("start.sh: 3: SECRET_KEY: parameter not set",))),
    ("missing variable", replace(CRASHED, log=("ImproperlyConfigured: SECRET_KEY must be set",))),
    ("missing variable", replace(CRASHED, log=("Error: Missing required environment variable: STRIPE_KEY",))),
    (
        "missing variable",
        replace(CRASHED, log=("       You must specify POSTGRES_PASSWORD to a non-empty value for the superuser.",)),
    ),
    (
        "does not start",
        Evidence(status="created", docker_error='exec: "/serve": stat /serve: no such file or directory', port=8080),
    ),
    ("crash loop", CRASHED),
    ("crash loop", replace(CRASHED, status="exited", restarts=0, exit_code=0)),
    ("crash loop", replace(CRASHED, status="exited", exit_code=139, log=("Segmentation fault",))),
    ("crash loop", replace(CRASHED, log=("KeyError: 'DATABASE_URL'",), variables=("DATABASE_URL",))),
    ("crash loop", replace(CRASHED, exit_code=137, oom=False)),
    ("wrong port", replace(probed(*REFUSED), listening=(Listener(EVERYBODY, 3000),))),
    ("wrong port", replace(probed(*REFUSED), listening=(Listener("127.0.0.1", 8080),))),
    ("wrong port", replace(probed(*REFUSED), listening=(Listener("::1", 8080), Listener("::", 9090)))),
    ("wrong port", replace(probed(*REFUSED), listening=(Listener(EVERYBODY, 3000),), ran=5)),
    ("slow start", replace(probed(*REFUSED), listening=(), ran=50)),
    ("slow start", replace(probed(*REFUSED), listening=None, ran=61)),
    ("slow start", probed(Probe("container", error="timeout"), evidence=replace(WELL, ran=40))),
    (
        "Host header",
        probed(Probe("container", 400, host=NAME), Probe("container", 200)),
    ),
    (
        "Host header",
        replace(
            probed(Probe("container", 400, host=NAME)),
            log=(f"Invalid HTTP_HOST header: '{NAME}'. You may need to add it to ALLOWED_HOSTS.",),
        ),
    ),
    ("Host header", probed(Probe("container", 403, host=NAME), Probe("container", 302))),
    (
        "health path",
        probed(Probe("container", 404, host=NAME, path="/health"), Probe("container", 404, path="/health")),
    ),
    ("health path", probed(Probe("container", 401, host=NAME, path="/health"))),
    ("service error", probed(Probe("container", 500, host=NAME), Probe("nginx", 500), Probe("edge", 500))),
    ("service error", probed(Probe("container", 503, host=NAME))),
    ("upstream refused", probed(*REFUSED)),
    ("upstream refused", replace(probed(*REFUSED), listening=(), ran=9000)),
    ("upstream refused", probed(Probe("nginx", 502, host=NAME), INNER)),
    ("TLS at the origin", probed(INNER, NGINX, Probe("direct", error="tls"), Probe("edge", 526))),
    ("TLS at the origin", probed(INNER, NGINX, Probe("edge", 525))),
    ("DNS", replace(WELL, lookups=(Lookup(NAME, (), ("198.51.100.0/24",)),))),
    ("DNS", replace(WELL, lookups=(Lookup(NAME, ("203.0.113.9",), ("198.51.100.0/24",)),))),
    ("DNS", probed(INNER, NGINX, Probe("edge", 530))),
    ("DNS", probed(INNER, NGINX, Probe("edge", error="name"))),
    ("firewall", probed(INNER, NGINX, Probe("direct", error="timeout"), Probe("edge", 522))),
    ("firewall", probed(INNER, NGINX, Probe("edge", 521))),
    ("firewall", probed(INNER, Probe("direct", error="unreachable"))),
    ("unknown", WELL),
    ("unknown", Evidence()),
    ("unknown", replace(WELL, status="exited", exit_code=143, restarts=0, probes=())),
    ("unknown", probed(Probe("direct", error="timeout"), Probe("edge", 522))),
    ("unknown", replace(WELL, lookups=(Lookup(NAME, None, ("198.51.100.0/24",)),))),
    ("unknown", replace(WELL, log=("KeyError: 'DATABASE_URL'", "an error", "No space left on device"))),
]


@pytest.mark.parametrize(("word", "evidence"), CASES)
def test_the_cause_is_named_with_its_proof_and_what_to_do(word: str, evidence: Evidence) -> None:
    cause = classify(evidence)
    assert cause.word == word
    assert bool(cause.proof) is (word != "unknown")
    assert cause.advice.endswith(".")
    assert cause.word in str(cause)


def test_every_row_of_the_table_has_a_case() -> None:
    assert {rule.word for rule in CAUSES} | {"unknown"} == {word for word, _ in CASES}


def test_what_is_nearest_to_the_process_is_the_cause_of_what_is_farther_out() -> None:
    everything = replace(
        CRASHED,
        disk=Disk(0, 1),
        image_architecture="arm64",
        oom=True,
        log=("KeyError: 'DATABASE_URL'",),
        lookups=(Lookup(NAME, (), ()),),
        probes=(*REFUSED, Probe("edge", 525)),
    )
    changes: list[dict[str, Any]] = [
        {"disk": ROOM},
        {"image_architecture": "amd64"},
        {"oom": False},
        {"log": ()},
        {"status": "running", "restarts": 0, "ran": 9000},
        {"probes": (INNER, NGINX, Probe("edge", 525))},
        {"probes": (INNER, NGINX, Probe("edge", 522))},
    ]
    steps = [everything]
    for change in changes:
        steps.append(replace(steps[-1], **change))
    assert [classify(one).word for one in steps] == [
        "disk full",
        "image architecture",
        "out of memory",
        "missing variable",
        "crash loop",
        "upstream refused",
        "TLS at the origin",
        "DNS",
    ]


def test_a_log_line_that_names_a_variable_names_that_variable() -> None:
    proof = classify(replace(CRASHED, log=("KeyError: 'PORT'", "KeyError: 'DATABASE_URL'"), variables=("PORT",))).proof
    assert proof == ("DATABASE_URL was not given", "KeyError: 'DATABASE_URL'")


@pytest.mark.parametrize(
    "line",
    ["ERROR is not set up", "KeyError: 'name'", "HTTP must be set", "the variable is not set", "Missing GET handler"],
)
def test_words_that_mean_something_else_are_no_missing_variable(line: str) -> None:
    assert classify(replace(CRASHED, log=(line,))).word == "crash loop"


probes = st.builds(
    Probe,
    st.sampled_from(["container", "nginx", "direct", "edge"]),
    st.none() | st.sampled_from([200, 302, 400, 404, 500, 502, 521, 522, 525, 530]),
    st.none() | st.sampled_from(["refused", "timeout", "reset", "unreachable", "name", "tls", "closed"]),
    st.sampled_from(["", NAME]),
)
listeners = st.builds(Listener, st.sampled_from([EVERYBODY, "127.0.0.1", "::"]), st.sampled_from([8080, 1]))
evidence = st.builds(
    Evidence,
    st.sampled_from(["", "running", "restarting", "exited", "created", "dead"]),
    st.none() | st.integers(0, 255),
    st.booleans(),
    st.text(max_size=30),
    st.integers(0, 9),
    st.none() | st.floats(0, 1e6),
    st.floats(1, 600),
    st.none() | st.just(8080),
    st.none() | st.lists(listeners).map(tuple),
    st.lists(probes, max_size=5).map(tuple),
    st.lists(st.text(max_size=40), max_size=3).map(tuple),
)


@given(evidence)
def test_any_evidence_has_exactly_one_cause_and_always_the_same(found: Evidence) -> None:
    cause = classify(found)
    assert cause == classify(found)
    assert cause.word in {rule.word for rule in CAUSES} | {"unknown"}
    assert all(line for line in cause.proof)


@given(evidence)
def test_what_nobody_could_tell_speaks_for_nothing(found: Evidence) -> None:
    bare = Evidence(status=found.status, port=found.port, start_seconds=found.start_seconds)
    assert classify(bare).word in ("unknown", "crash loop")
