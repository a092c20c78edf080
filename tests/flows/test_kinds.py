"""A deploy of every kind of service: what its droplet is told, and what is left of it."""

from __future__ import annotations

from typing import Any

import pytest

from agent import wire
from agent.server.ports import Instance
from fleet.errors import InvalidInput
from flows.deploy import deploy
from tests.fakes.engine import FakeEngine
from tests.flows.fleet_of_fakes import DOMAIN, Fleet


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What every container was made from, without what is a default or changes from run to run."""
    specs: list[dict[str, Any]] = []
    create = FakeEngine.create

    def noted(engine: FakeEngine, name: str, spec: wire.ContainerSpec) -> Instance:
        given = spec.model_dump(mode="json", exclude_defaults=True, exclude={"release", "image", "memory_mib"})
        specs.append(given)
        return create(engine, name, spec)

    monkeypatch.setattr(FakeEngine, "create", noted)
    return specs


@pytest.mark.engine
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"runs": {"kind": "web", "port": 8080, "domains": [DOMAIN], "health_path": "/health"}},
            {"port": 8080, "hosts": [DOMAIN], "health": {"path": "/health"}},
        ),
        (
            {
                "runs": {"kind": "tcp", "port": 6379, "start_seconds": 5},
                "volumes": [{"name": "data", "path": "/data"}],
                "command": ["redis-server", "--appendonly", "yes"],
            },
            {
                "kind": "tcp",
                "port": 6379,
                "health": {"start_seconds": 5},
                "volumes": [{"name": "data", "path": "/data"}],
                "command": ["redis-server", "--appendonly", "yes"],
            },
        ),
        (
            {"runs": {"kind": "worker", "exclusive": True, "steady_seconds": 1}},
            {"kind": "worker", "exclusive": True, "steady_seconds": 1},
        ),
        (
            {"runs": {"kind": "scheduled", "cron": "30 4 * * *", "zone": "Europe/Berlin", "run_seconds": 60}},
            {
                "kind": "scheduled",
                "cron": {"expression": "30 4 * * *", "zone": "Europe/Berlin", "timeout_seconds": 60},
            },
        ),
    ],
    ids=["web", "tcp", "worker", "scheduled"],
)
def test_a_droplet_is_told_what_its_kind_needs(
    fleet: Fleet, told: list[dict[str, Any]], changes: dict[str, Any], expected: dict[str, Any]
) -> None:
    deploy(fleet.service(replicas=1, **changes))
    assert told == [{**expected, "drain_seconds": 1}]
    assert set(fleet.machines[0].releases) == {"current"}
    assert fleet.records == (fleet.everywhere if "hosts" in expected else [])


@pytest.mark.engine
def test_the_same_service_of_another_kind_is_another_release(fleet: Fleet, told: list[dict[str, Any]]) -> None:
    deploy(fleet.service(replicas=1, runs={"kind": "worker", "steady_seconds": 1}))
    deploy(fleet.service(replicas=1, runs={"kind": "worker", "steady_seconds": 1}))
    deploy(fleet.service(replicas=1, runs={"kind": "worker", "steady_seconds": 2}))
    assert [one["steady_seconds"] for one in told] == [1, 2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"volumes": [{"name": "data", "path": "/data"}]},
            "it has a volume, which is on one droplet. Set replicas to 1",
        ),
        ({"runs": {"kind": "tcp", "port": 6379}}, "which leads to one droplet. Set replicas to 1."),
        ({"runs": {"kind": "scheduled", "cron": "0 4 * * *"}}, "would carry out every run. Set replicas to 1."),
        ({"runs": {"kind": "worker", "exclusive": True}}, "so no two may run. Set replicas to 1."),
    ],
    ids=["volume", "tcp", "scheduled", "exclusive"],
)
def test_what_can_only_be_on_one_droplet_is_refused_on_two_before_anything_changes(
    fleet: Fleet, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        deploy(fleet.service(replicas=2, **changes))
    assert message in str(caught.value)
    assert fleet.changes == []
