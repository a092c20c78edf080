"""Which lines of a log are errors."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.server import levels

ERRORS = [
    '{"level": "error", "msg": "no"}',
    '{"severity": "CRITICAL"}',
    '{"level": 50, "msg": "pino"}',
    '{"severity_number": 17}',
    "ts=2026-11-24T01:02:03Z level=error msg=x",
    'level="fatal" msg="all is fine"',
    "E1124 01:02:03.000000 1 main.go:1] no",
    "<3>kernel says no",
    "2026-11-24 01:02:03 ERROR the disk is full",
    "ERROR: the disk is full",
    "2026/11/24 01:02:03 [error] 7#7: *1 open() failed",
    "[CRITICAL] WORKER TIMEOUT",
    "\x1b[31mERROR\x1b[0m red",
    "Traceback (most recent call last):",
    "ValueError: no",
    "java.lang.IllegalStateException: no",
    "panic: runtime error: index out of range",
    "fatal: not a git repository",
    'Exception in thread "main" java.lang.Error',
    "2026-11-24 01:02:03 [\x1b[31merror    \x1b[0m] padded, with colours",
    '2026/11/24 01:02:03 [error] 7#7: *1 connect() failed, request: "GET /up HTTP/1.1", upstream: "http://[::1]/"',
    "thread 'main' (7) panicked at src/main.rs:1:1:",
    "Error: Cannot find module 'x'",
]
CALM = [
    "",
    "0 errors, 0 warnings",
    "error_page 500 is /50x.html",
    "an error occurred, but it was handled",
    "no ERRORS were found",
    "INFO retried after ERROR from upstream",
    "WARNING: ERROR rate is low",
    "DEBUG:root:ERROR",
    '{"level": "info", "msg": "ERROR in a message"}',
    '{"level": 30, "msg": "ERROR"}',
    "level=info msg=ERROR",
    "I1124 01:02:03.000000 1 main.go:1] ERROR",
    "<6>kernel: ERROR",
    '10.0.0.1 - - [24/Nov/2026] "GET /error HTTP/1.1" 500 12',
    "ERROR_COUNT=0",
    "[info     ] ERROR page served",
    "Error rate: 0.0%",
    "2026-11-24 01:02:03 [notice] Error: is what comes after",
    f"{'a long sentence ' * 6} ERROR",
]


@pytest.mark.parametrize("line", ERRORS)
def test_a_line_that_declares_an_error_is_one(line: str) -> None:
    assert levels.is_error(line)


@pytest.mark.parametrize("line", CALM)
def test_a_line_that_only_mentions_an_error_is_none(line: str) -> None:
    assert not levels.is_error(line)


@pytest.mark.parametrize("word", ["info", "debug", "notice", "warning"])
@given(st.text(alphabet=st.characters(blacklist_categories=["Cs"]), max_size=80))
def test_what_a_structured_line_declares_goes_before_what_it_mentions(word: str, text: str) -> None:
    assert not levels.is_error(json.dumps({"level": word, "msg": f"ERROR {text}"}))


@given(st.text(max_size=400))
def test_no_line_whatever_breaks_the_classifier(line: str) -> None:
    assert levels.is_error(line) in {True, False}
    assert len(list(levels.errors([line, line]))) <= 2


def test_a_python_traceback_is_one_error() -> None:
    lines = [
        "INFO starts",
        "Traceback (most recent call last):",
        '  File "app.py", line 1, in <module>',
        "    open('x')",
        "FileNotFoundError: [Errno 2] No such file or directory: 'x'",
        "INFO goes on",
    ]
    assert list(levels.errors(lines)) == ["Traceback (most recent call last):"]


def test_a_java_stack_trace_with_its_causes_is_one_error() -> None:
    lines = [
        "java.lang.RuntimeException: no",
        "\tat com.example.Main.main(Main.java:1)",
        "Caused by: java.io.IOException: why",
        "\tat com.example.Main.read(Main.java:2)",
        "\t... 12 more",
    ]
    assert list(levels.errors(lines)) == ["java.lang.RuntimeException: no"]


def test_an_exception_group_is_one_error() -> None:
    lines = [
        "  + Exception Group Traceback (most recent call last):",
        '  |   File "app.py", line 1, in <module>',
        "  | ExceptionGroup: two things failed (2 sub-exceptions)",
        "  +-+---------------- 1 ----------------",
        "    | ValueError: one",
        "    +---------------- 2 ----------------",
        "    | KeyError: 'two'",
        "    +------------------------------------",
        "INFO goes on",
    ]
    assert len(list(levels.errors(lines))) == 1


def test_an_error_logged_with_its_traceback_is_one_error() -> None:
    lines = [
        "ERROR:app:it failed",
        "Traceback (most recent call last):",
        '  File "app.py", line 1, in <module>',
        "ValueError: no",
    ]
    assert list(levels.errors(lines)) == ["ERROR:app:it failed"]


def test_a_chained_python_exception_is_one_error() -> None:
    lines = [
        "Traceback (most recent call last):",
        '  File "app.py", line 1, in <module>',
        "KeyError: 'a'",
        "",
        "During handling of the above exception, another exception occurred:",
        "",
        "Traceback (most recent call last):",
        '  File "app.py", line 2, in <module>',
        "ValueError: no",
    ]
    assert len(list(levels.errors(lines))) == 1


def test_a_java_error_logged_with_its_trace_is_one_and_the_next_trace_another() -> None:
    trace = ["java.lang.RuntimeException: no", "\tat com.example.Main.main(Main.java:1)"]
    assert list(levels.errors(["SEVERE: write", *trace, "", *trace])) == ["SEVERE: write", trace[0]]


def test_what_follows_a_traceback_is_counted_again() -> None:
    trace = ["Traceback (most recent call last):", '  File "app.py", line 1, in <module>', "ValueError: no"]
    assert list(levels.errors([*trace, "ERROR other", *trace, *trace])) == [trace[0], "ERROR other", trace[0]]


def test_two_errors_one_after_the_other_are_two() -> None:
    assert list(levels.errors(["ERROR one", "ERROR two", "ValueError: a", "KeyError: b"])) == [
        "ERROR one",
        "ERROR two",
        "ValueError: a",
        "KeyError: b",
    ]
