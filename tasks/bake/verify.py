"""Prove that a baked droplet has what a base needs, and say which versions."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import agent
from agent import wire
from fleet.errors import PermanentError
from tasks.bake.shell import Shell
from tasks.bake.steps import PYTHON, UNITS

_ACTIVE: Final = ("docker.service", "nginx.service", "deployer-metadata-wall.service")
_READY_SECONDS: Final = 30.0
_AGENT_VERSION: Final = "import agent, agent.server; print(agent.__version__)"
_AGENT: Final = ("--protocol", "tcp", "--destination-port", str(wire.PORT), "--jump", "DROP")
WALL: Final = (
    ("DOCKER-USER", "--destination", "169.254.169.254/32", "--jump", "DROP"),
    ("INPUT", "--in-interface", "docker0", *_AGENT),
    ("INPUT", "--in-interface", "br-+", *_AGENT),
)
"""What keeps containers from the metadata service and from the agent, chain first."""


@dataclass(frozen=True)
class Versions:
    """What a base holds, as each program says it."""

    agent: str
    docker: str
    nginx: str
    runc: str
    kernel: str


def read_versions(shell: Shell) -> Versions:
    """Check the agent, Docker, nginx and their units; raises PermanentError with what is wrong."""
    for unit in _ACTIVE:
        _wait_active(shell, unit)
    shell.run("systemctl", "is-enabled", *UNITS, "docker.service", "nginx.service")
    shell.run("nginx", "-t")
    for rule in WALL:
        shell.run("iptables", "--wait", "10", "--check", *rule)
    versions = Versions(
        agent=shell.run(PYTHON, "-c", _AGENT_VERSION).strip(),
        docker=shell.run("docker", "version", "--format", "{{.Server.Version}}").strip(),
        nginx=_package(shell, "nginx"),
        runc=_package(shell, "runc"),
        kernel=shell.run("uname", "--kernel-release").strip(),
    )
    if versions.agent != agent.__version__:
        raise PermanentError(
            f"{shell.address} has agent {versions.agent}, not {agent.__version__}.", hint="Bake a fresh droplet."
        )
    return versions


def _wait_active(shell: Shell, unit: str) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while (state := shell.run("systemctl", "is-active", unit, accept=(0, 3)).strip()) != "active":
        if state == "failed" or time.monotonic() > deadline:
            log = shell.run("journalctl", "--no-pager", "--lines=12", "--output=cat", "--unit", unit)
            raise PermanentError(f"{shell.address}: {unit} is {state}:\n{log}", hint="Bake a fresh droplet.")
        time.sleep(0.5)


def _package(shell: Shell, name: str) -> str:
    return shell.run("dpkg-query", "--show", "--showformat=${Version}", name).strip()
