"""The protocol's door: what a request may say."""

from __future__ import annotations

import re

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


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("Privileged", True),
        ("CapAdd", ["SYS_ADMIN"]),
        ("Devices", [{"PathOnHost": "/dev/sda"}]),
        ("DeviceCgroupRules", ["a *:* rwm"]),
        ("NetworkMode", "host"),
        ("PidMode", "host"),
        ("IpcMode", "host"),
        ("UTSMode", "host"),
        ("UsernsMode", "host"),
        ("CgroupnsMode", "host"),
        ("CgroupParent", "/"),
        ("SecurityOpt", ["seccomp=unconfined"]),
        ("Sysctls", {"net.ipv4.ip_forward": "1"}),
        ("Binds", ["/:/host"]),
        ("Mounts", [{"Type": "bind", "Source": "/", "Target": "/host"}]),
        ("VolumesFrom", ["other"]),
        ("PortBindings", {"80/tcp": [{"HostPort": "80"}]}),
        ("PublishAllPorts", True),
        ("ExtraHosts", ["db:169.254.169.254"]),
        ("Runtime", "other"),
        ("OomScoreAdj", -1000),
        ("User", "root"),
    ],
)
def test_an_option_of_dockers_that_is_none_of_a_service_is_refused_under_whatever_name(
    option: str, value: object
) -> None:
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", option).lower()
    for body in ({option: value}, {snake: value}, {"HostConfig": {option: value}}):
        with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
            wire.ContainerSpec.model_validate({**SPEC, **body})


@pytest.mark.parametrize("name", ["../data", "/etc", "Data", "data;x", "data\n", "-data", "", "d\u0430ta", "a" * 40])
def test_a_volume_is_named_by_one_word_and_is_no_path_of_the_droplet(name: str) -> None:
    with pytest.raises(ValidationError):
        wire.Volume(name=name, path="/data")


@pytest.mark.parametrize(
    "name",
    [
        "-v/:/h",
        "../x",
        "a;b",
        "9fe5e6_demo_prod_web\n",
        "9fe5e6_demo_prod_w\u0435b",
        "9fe5e6_demo_prod_web/../x",
        "9fe5e6_demo_prod_-web",
        "9fe5e6_demo_prod",
        "9FE5E6_demo_prod_web",
        "9fe5e6_demo_prod_web.candidate",
    ],
)
def test_a_name_that_could_be_more_than_a_name_is_refused(name: str) -> None:
    route = {"host": "a.example.com", "release": RELEASE, "address": "172.30.0.16", "port": 80}
    with pytest.raises(ValidationError, match="container"):
        wire.Route.model_validate({**route, "container": name})


@pytest.mark.parametrize(
    "expression",
    [
        "* * * * * root",
        "0 * * * * *",
        "* * * *",
        "@reboot",
        "* * * * *\n",
        "* * * * *\n* * * * *",
        "*\t* * * *",
        "* * * * %",
        "* * * * $(id)",
        "",
    ],
)
def test_a_cron_line_is_five_fields_and_nothing_else(expression: str) -> None:
    with pytest.raises(ValidationError, match="expression"):
        wire.Cron(expression=expression)


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
