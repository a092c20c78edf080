"""Bake a base: a fresh Debian 12 droplet becomes one with Docker, nginx and the node agent. The only use of SSH.

    host_key, bake_key = new_key_pair("host"), new_key_pair("bake")            # tasks.userdata
    droplet = ensure_droplet(..., user_data=bake_user_data(bake_key.public, host_key))
    report = bake(address, bake_key, host_key.public, log)                     # may run twice
    seal(address, bake_key, host_key.public, log)                              # ends SSH for ever; once
    # then: power off, snapshot

Both keys live in memory only. `log` takes one line of progress at a time, from more than one thread. A broken
connection or a missed deadline is retried; a failed command is permanent, and wants a fresh droplet.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from agent import wire
from tasks.policy import step
from tasks.userdata import KeyPair

if TYPE_CHECKING:
    from tasks.bake.shell import Log, Shell
    from tasks.bake.steps import Step
    from tasks.bake.verify import Versions


@dataclass(frozen=True)
class BakeReport:
    """What a bake did: how long each step took, in seconds, and the versions that the base now holds."""

    address: str
    seconds: float
    steps: dict[str, float]
    versions: Versions
    machine: str
    """The fingerprint of the machine id, which no droplet may share."""


@step("{address}: bake", timeout=timedelta(minutes=15), retries=2)
def bake(address: str, key: KeyPair, host_key: str, log: Log) -> BakeReport:
    """Install and verify everything on the droplet at `address`; running it twice gives the same base.

    `key` logs in as root, `host_key` is the public line that the droplet must prove to hold. Raises TransientError
    when the network, apt or a deadline fails, PermanentError for another host key, another system, or a failed command.
    """
    from tasks.bake.shell import connect
    from tasks.bake.steps import INSTALL
    from tasks.bake.verify import read_versions

    begun = time.monotonic()
    with connect(address, key.private, host_key, log) as shell:
        steps = run_phases(shell, INSTALL)
        log("verifying")
        versions = read_versions(shell)
        machine = wire.fingerprint((shell.read("/etc/machine-id") or "").encode())
    seconds = time.monotonic() - begun
    log(f"baked in {seconds:.0f} s: {versions}")
    return BakeReport(address, seconds, steps, versions, machine)


@step("{address}: seal", timeout=timedelta(minutes=5), retries=1)
def seal(address: str, key: KeyPair, host_key: str, log: Log) -> None:
    """Remove what must not be copied and close SSH; only switching off and a snapshot may follow.

    Raises as `bake` does, and PermanentError when something still answers on port 22.
    """
    from tasks.bake.sealing import SEAL
    from tasks.bake.shell import connect

    with connect(address, key.private, host_key, log) as shell:
        run_phases(shell, SEAL)
    log("sealed: SSH is closed for ever")


def run_phases(shell: Shell, phases: Sequence[Sequence[Step]]) -> dict[str, float]:
    """Run the phases in order, the steps of each at the same time; returns each step's seconds.

    The first error is raised once all steps of its phase have ended.
    """
    seconds: dict[str, float] = {}
    for phase in phases:
        with ThreadPoolExecutor(len(phase)) as pool:
            running = {step.name: pool.submit(_timed, shell, step) for step in phase}
        seconds |= {name: future.result() for name, future in running.items()}
    return seconds


def _timed(shell: Shell, step: Step) -> float:
    begun = time.monotonic()
    shell.log(step.name)
    step.run(shell)
    seconds = round(time.monotonic() - begun, 2)
    shell.log(f"{step.name}: done in {seconds:.1f} s")
    return seconds
