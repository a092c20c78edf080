"""What the tests of the health sweep begin with: a droplet that is well, and a service on it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import agent
from agent import wire
from fleet.remediation.moments import Moment
from fleet.state import Droplet, VerdictWord
from tasks.health.findings import AgentAnswer, EdgeAnswer, Finding
from tasks.health.subjects import Subject

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
MOMENT = Moment(NOW, 1000.0, "boot")
GOOD = wire.Verdict(verdict="healthy", reason="it answers", checked_at=NOW)
DISK = wire.Disk(total=100, free=50)
WHERE, DROPLET, HOST = "demo-prod", "demo-prod-1", "hello.example.com"
NAME = "9fe5e6_demo_prod_hello"
RELEASE = "20261124t000001-abcdef"
MINUTE = timedelta(minutes=1)


def droplet(name: str = DROPLET, address: str | None = "127.0.0.1") -> Droplet:
    """A droplet as the provider shows it."""
    return Droplet(7, name, "active", "fra1", "s-1vcpu-1gb", "42", frozenset(), address, None, NOW)


def container(**changes: Any) -> wire.Container:
    """The service `hello`, which serves."""
    known = {
        "name": NAME,
        "role": "current",
        "release": RELEASE,
        "image": "sha256:" + "ab" * 32,
        "status": "running",
        "started_at": NOW - timedelta(hours=2),
        "restarts": 1,
        "hosts": (HOST,),
        "verdict": GOOD,
    }
    return wire.Container.model_validate({**known, **changes})


def node(**changes: Any) -> wire.Node:
    """What the agent of a droplet that is well answers."""
    known = {
        "droplet": DROPLET,
        "version": agent.__version__,
        "api": wire.API_VERSION,
        "now": NOW,
        "booted_at": NOW - timedelta(days=3),
        "docker": GOOD,
        "nginx": GOOD,
        "disk": DISK,
        "memory": DISK,
        "load": (0.0, 0.0, 0.0),
        "agent_rss": 64 << 20,
        "containers": (container(),),
    }
    return wire.Node.model_validate({**known, **changes})


def edge(**changes: Any) -> EdgeAnswer:
    """What a visitor of the service's name gets."""
    known: dict[str, Any] = {
        "name": HOST,
        "url": f"https://{HOST}",
        "droplets": (DROPLET,),
        "said": "healthy",
        "reason": "its front page answers 200",
        "status": 200,
        "seconds": 0.034,
    }
    return EdgeAnswer(**{**known, **changes})


def finding(**changes: Any) -> Finding:
    """A droplet that is well."""
    known: dict[str, Any] = {
        "environment": WHERE,
        "droplet": DROPLET,
        "container": "",
        "release": "",
        "verdict": "healthy",
        "reason": "all is well",
        "at": MOMENT,
        "provider": droplet(),
        "agent": AgentAnswer(node(), "", 0.012),
    }
    return Finding(**{**known, **changes})


def subject(verdict: VerdictWord = "healthy", name: str = NAME, **changes: Any) -> Subject:
    """A container as a round found it."""
    known: dict[str, Any] = {
        "kind": "container",
        "environment": WHERE,
        "droplet": DROPLET,
        "name": name,
        "verdict": verdict,
        "reason": f"it is {verdict}",
    }
    return Subject(**{**known, **changes})
