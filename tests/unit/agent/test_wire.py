"""The protocol's door: what a request may say."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from agent import wire

RELEASE = "20261124t010203-abcdef"
SPEC = {
    "release": RELEASE,
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


def test_a_maintenance_page_has_a_time_and_words_of_its_own() -> None:
    assert wire.Maintenance() == wire.Maintenance(retry_after_seconds=300, message="")
    assert wire.Maintenance(message="Zurück um 5, <b>bestimmt</b> 🎉").message.endswith("🎉"), (
        "escaping is nginx's part"
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("retry_after_seconds", 0),
        ("retry_after_seconds", 86_401),
        ("message", "x" * 301),
        ("message", "one line\nand another"),
        ("message", "\x00"),
        ("html", "<b>no</b>"),
    ],
)
def test_a_maintenance_page_that_says_too_much_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError):
        wire.Maintenance.model_validate({field: value})


def test_a_promotion_without_a_page_is_one_that_an_older_agent_understands() -> None:
    assert wire.Promote(release=RELEASE).model_dump(exclude_defaults=True) == {"release": RELEASE}
