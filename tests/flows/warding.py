"""What the tests of `remediate` do to a ward, and see of it."""

from __future__ import annotations

from typing import Any

from flows.deploy import deploy
from flows.remediate import remediate
from tests.flows.machines import Machine
from tests.flows.ward import Ward

HELLO = "hello"


def serve(ward: Ward, replicas: int = 2, **changes: Any) -> str:
    """The service on so many droplets, looked at once; gives its container's name."""
    service = ward.fleet.service(replicas, environment=ward.environment, **changes)
    ward.services[:] = [service]
    deploy(service)
    ward.look()
    return next(one.name for one in ward.machines[0].engine.instances() if one.role == "current")


def twice(ward: Ward, decision: str) -> None:
    """A second run of a decision changes nothing, and says nothing else."""
    before, told = ward.fleet.changes, ward.record(decision).outcomes
    remediate(decision)
    assert ward.fleet.changes == before
    assert ward.record(decision).outcomes == told


def current(machine: Machine) -> Any:
    """The current container of a machine."""
    return next(one for one in machine.engine.instances() if one.role == "current")
