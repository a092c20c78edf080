"""Specifications and settings that the agent's tests begin with."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

from agent import keys, wire
from agent.server.settings import Limits, Settings

TOKEN = "dop_v1_made_up_for_tests"
DROPLET = "demo-prod-3f9a1c"
NAME = "9fe5e6_demo_prod_web"
OTHER = "9fe5e6_demo_prod_shop"
HOST = "hello.example.com"
PORT = 8080
LIMITS = Limits(wrong_keys=900, wrong_key_pause=0.0, spare_bytes=1 << 20)


def release(number: int) -> str:
    """The id of a release; later ones sort later."""
    return f"20261124t{number:06d}-abcdef"


def spec(number: int, image: str, **changes: Any) -> wire.ContainerSpec:
    """What release `number` runs."""
    facts = {"release": release(number), "image": image, "port": PORT, "hosts": (HOST,), "drain_seconds": 1}
    return wire.ContainerSpec.model_validate({**facts, "health": {"start_seconds": 1}, **changes})


NO_PORT: dict[str, Any] = {"port": None, "hosts": ()}
CRON = wire.Cron(expression="0 4 * * *")
VOLUME = wire.Volume(name="data", path="/data")
KINDS: dict[str, dict[str, Any]] = {
    "web": {},
    "web with a volume": {"volumes": (VOLUME,)},
    "tcp": {"kind": "tcp", "hosts": ()},
    "worker": {"kind": "worker", **NO_PORT},
    "exclusive worker": {"kind": "worker", "exclusive": True, **NO_PORT},
    "scheduled": {"kind": "scheduled", "cron": CRON, **NO_PORT},
}
"""What sets each kind of service apart in its specification."""


def settings(folder: Path, **changes: Any) -> Settings:
    """An enrolled droplet whose files are in `folder`, on a free port."""
    facts: dict[str, Any] = {
        "droplet": DROPLET,
        "secret": keys.droplet_secret(TOKEN, DROPLET),
        "enrolled": True,
        "etc": folder / "etc",
        "state": folder / "state",
        "run": folder / "run",
        "address": "0.0.0.0",  # noqa: S104 - so that a test may call from any loopback address
        "port": 0,
        "vpc_ranges": (ipaddress.ip_network("127.10.0.0/16"),),
        "limits": LIMITS,
    }
    return Settings(**{**facts, **changes})
