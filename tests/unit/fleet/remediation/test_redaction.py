from __future__ import annotations

import pytest

from fleet.remediation.redaction import LINE_LIMIT, last_lines, redact


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("DB_PASSWORD=hunter2 retrying", "DB_PASSWORD=[redacted] retrying"),
        ('{"api_key": "abc123", "n": 1}', '{"api_key": "[redacted]", "n": 1}'),
        ("token: abc.def", "token: [redacted]"),
        ("Authorization: Bearer abc.def.ghi", "Authorization: Bearer [redacted]"),
        ("connect postgres://ann:s3cret@db:5432/x", "connect postgres://ann:[redacted]@db:5432/x"),
        ("using dop_v1_0123456789abcdef", "using [redacted]"),
        ("got eyJhbGciOi.eyJzdWIi.c2ln", "got [redacted]"),
        ("-----BEGIN RSA PRIVATE KEY-----MIIE", "[redacted]"),
        ("GET /login?user=ann&secret=s3cret&x=1", "GET /login?user=ann&secret=[redacted]&x=1"),
    ],
)
def test_what_looks_like_a_credential_is_hidden(line: str, kept: str) -> None:
    assert redact(line) == kept


@pytest.mark.parametrize(
    "line",
    [
        "KeyError: 'DATABASE_URL'",
        "listening on http://0.0.0.0:8080/",
        "the password is wrong",
        "2026-11-24T00:00:00Z GET /health 200 0.002",
    ],
)
def test_what_does_not_is_left_as_it_is(line: str) -> None:
    assert redact(line) == line


def test_redacting_twice_is_redacting_once() -> None:
    line = "password=hunter2 postgres://ann:s3cret@db"
    assert redact(redact(line)) == redact(line)


def test_a_secret_at_the_cut_is_not_left_in_half() -> None:
    line = "x" * (LINE_LIMIT - 12) + " password=hunter2hunter2"
    assert "hunter" not in redact(line)
    assert len(redact(line)) <= LINE_LIMIT + 1


def test_of_a_log_the_end_is_kept() -> None:
    assert last_lines(f"{number}" for number in range(300))[0] == "100"
