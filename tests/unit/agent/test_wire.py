"""The protocol's door: what a request may say."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from agent import wire

SPEC = {
    "release": "20261124t010203-abcdef",
    "image": "sha256:" + "a" * 64,
    "port": 8080,
    "hosts": ["hello.example.com"],
}


def test_a_complete_spec_is_accepted_with_its_defaults() -> None:
    spec = wire.ContainerSpec.model_validate(SPEC)
    assert spec.health.start_seconds == 60
    assert spec.hosts == ("hello.example.com",)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("port", 0),
        ("port", 65536),
        ("hosts", ["hello.example.com; return 200"]),
        ("hosts", ["hello.example.com\n"]),
        ("hosts", ["-hello.example.com"]),
        ("image", "debian:12"),
        ("release", "latest"),
        ("environment", {"A B": "x"}),
        ("secrets", {"../key": "x"}),
        ("privileged", True),
    ],
)
def test_a_spec_that_nginx_or_docker_should_not_see_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError):
        wire.ContainerSpec.model_validate({**SPEC, field: value})


def test_a_reply_with_a_field_from_a_newer_agent_is_still_understood() -> None:
    ping = wire.Ping.model_validate({"ok": True, "version": "1", "api": 1, "mood": "fine"})
    assert ping.version == "1"
