"""Errors carry what a person needs, and tasks can tell the two kinds apart."""

from __future__ import annotations

from fleet import errors


def test_an_error_prints_what_happened_and_what_to_do_next() -> None:
    error = errors.Refused("DigitalOcean refused the token (401).", hint="Put a good one into the block.")
    assert str(error) == "DigitalOcean refused the token (401). Put a good one into the block."
    assert error.hint == "Put a good one into the block."


def test_a_rate_limit_is_transient_and_says_how_long_to_wait() -> None:
    error = errors.RateLimited("Too many requests.", retry_after=7)
    assert isinstance(error, errors.TransientError)
    assert not isinstance(error, errors.PermanentError)
    assert error.retry_after == 7
