"""A service as the agents know it, kind by kind."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.spec import Health, ImageSource, LogRules, Runs, Scheduled, ServiceSpec, Tcp, Volume, Web, Worker
from fleet.state import Image
from tasks.plans import digest
from tasks.specs import wire_spec

RELEASE = "20261101t000000-aaaaaa"
IMAGE = Image("sha256:" + "1" * 64, ("sha256:" + "2" * 64,), 10)
WEB = Web(8080, ("a.example.com", "b.example.com"))


def service(runs: Runs = WEB, **changes: Any) -> ServiceSpec:
    """A service of this kind."""
    return ServiceSpec("hello", ImageSource("debian:12"), runs, **changes)


def sent(spec: ServiceSpec) -> dict[str, Any]:
    """What goes to the agent, without what is a default there."""
    found = wire_spec(spec, IMAGE, RELEASE).model_dump(mode="json", exclude_defaults=True)
    assert (found.pop("release"), found.pop("image")) == (RELEASE, IMAGE.id)
    assert found.pop("memory_mib") == 256
    return found


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (service(), {"port": 8080, "hosts": ["a.example.com", "b.example.com"]}),
        (
            service(health=Health("/health", 90, 1.5)),
            {
                "port": 8080,
                "hosts": ["a.example.com", "b.example.com"],
                "health": {"path": "/health", "start_seconds": 90, "timeout_seconds": 1.5},
            },
        ),
        (
            service(Tcp(6379), volumes=(Volume("data", "/data"),), command=("redis-server", "--save", "")),
            {
                "kind": "tcp",
                "port": 6379,
                "volumes": [{"name": "data", "path": "/data"}],
                "command": ["redis-server", "--save", ""],
            },
        ),
        (service(Worker()), {"kind": "worker"}),
        (
            service(Worker(exclusive=True, steady_seconds=300)),
            {"kind": "worker", "exclusive": True, "steady_seconds": 300, "health": {"start_seconds": 330}},
        ),
        (service(Scheduled("30 4 * * 1-5")), {"kind": "scheduled", "cron": {"expression": "30 4 * * 1-5"}}),
        (
            service(Scheduled("0 * * * *", "Europe/Berlin", overlap=True, timeout_seconds=60)),
            {
                "kind": "scheduled",
                "cron": {"expression": "0 * * * *", "zone": "Europe/Berlin", "overlap": True, "timeout_seconds": 60},
            },
        ),
    ],
    ids=["web", "web with health", "tcp", "worker", "slow worker", "scheduled", "scheduled elsewhere"],
)
def test_each_kind_is_sent_as_the_agent_knows_it(spec: ServiceSpec, expected: dict[str, Any]) -> None:
    assert sent(spec) == expected


@pytest.mark.parametrize(
    "change",
    [
        {"runs": Web(8081, WEB.domains)},
        {"runs": Tcp(8080)},
        {"runs": Worker()},
        {"runs": Scheduled("0 * * * *")},
        {"volumes": (Volume("data", "/data"),)},
        {"command": ("a",)},
        {"health": Health("/")},
        {"variables": {"A": "1"}},
        {"secrets": {"A": "1"}},
        {"memory_mib": 128},
        {"cpus": 0.5},
        {"drain_seconds": 5},
        {"log": LogRules(("timed out",))},
        {"log": LogRules(min_errors=2)},
    ],
    ids=str,
)
def test_whatever_a_container_is_given_makes_another_release(change: dict[str, Any]) -> None:
    assert digest(service(**change), IMAGE, "key") != digest(service(), IMAGE, "key")


def test_variables_and_secrets_are_sent_apart() -> None:
    given = sent(service(variables={"LANG": "C"}, secrets={"KEY": "x"}))
    assert (given["environment"], given["secrets"]) == ({"LANG": "C"}, {"KEY": "x"})


def test_what_runs_may_end_with_and_how_often_they_may_fail_is_sent() -> None:
    given = sent(service(Scheduled("0 * * * *", ok_codes=(0, 3), failure_tolerance=2)))
    assert given["cron"] == {"expression": "0 * * * *", "ok_codes": [0, 3], "failure_tolerance": 2}


def test_what_to_ignore_in_the_log_is_sent() -> None:
    given = sent(service(log=LogRules((r"client \d+ timed out",), 3)))
    assert given["log"] == {"ignore": [r"client \d+ timed out"], "min_errors": 3}


def test_a_service_that_ignores_nothing_has_the_release_that_it_had_before_it_could() -> None:
    assert digest(service(), IMAGE, "key") == "4a21622cadf23199b43d5e4c9f9e0200ba4b443c2809a02f92f7139d29b3d584"


def test_where_an_image_came_from_and_on_how_many_droplets_it_runs_makes_no_other_release() -> None:
    assert digest(service(replicas=3), IMAGE, "key") == digest(service(), IMAGE, "key")
