"""What carries a drill out, as root and outside the agent, by `deployer-drill.service`; it is undone however it ends.

ExecStart      inject, wait for the drill's time or for its end, undo
ExecStopPost   undo, if that was cut off
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agent import wire
from agent.server.secret_files import write_private

ORDERED: Final = "drill.json"
"""What was asked for; the files are in `/run/deployer`."""
TOLD: Final = "drilled.json"
"""How far it is."""
ENDED: Final = "drill.end"
"""It is to end now."""
FILL: Final = "drill.fill"
"""The file that fills the disk, in `/var/lib/deployer`; one that a power cut leaves goes with the next boot."""
SPARE_BYTES: Final = 48 << 20
"""What a full disk keeps free: enough to undo it."""
MOST_FILL_BYTES: Final = 64 << 30
COMMAND_SECONDS: Final = 120
POLL_SECONDS: Final = 0.2
AGENT: Final = "deployer-agent.service"
_RUN: Final = Path("/run/deployer")
_STATE: Final = Path("/var/lib/deployer")
log = logging.getLogger("agent")

Command = Callable[..., None]


def run_command(*words: str) -> None:
    """A program of the system. Raises OSError or SubprocessError."""
    subprocess.run(words, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=True)


@dataclass(frozen=True)
class Place:
    """Where it happens."""

    run: Path = _RUN
    state: Path = _STATE
    command: Command = run_command
    """Runs a program of the system; raises OSError or SubprocessError."""


@dataclass(frozen=True)
class Fault:
    """One row of the table: what makes it so, and what undoes that; both may be repeated."""

    inject: Callable[[wire.DrillOrder, Place], None]
    undo: Callable[[wire.DrillOrder, Place], None] | None = None
    """None: it is a moment, and there is nothing to wait for or to undo."""


def inject(place: Place | None = None) -> int:
    """The drill that lies in `run`, from beginning to end; the exit code is 0 when it went as it should."""
    here = place or Place()
    order = _order(here)
    fault = FAULTS[order.fault]
    _tell(here, "running")
    try:
        fault.inject(order, here)
        _wait(order, fault, here)
    except (OSError, subprocess.SubprocessError) as error:
        _undo(order, here)
        _tell(here, "failed", (getattr(error, "stderr", "") or str(error)).strip()[:500])
        return 1
    _undo(order, here)
    _tell(here, "over")
    return 0


def undo(place: Place | None = None) -> int:
    """The drill undone, if it was cut off; one that is over is fine."""
    here = place or Place()
    told = json.loads((here.run / TOLD).read_text()) if (here.run / TOLD).exists() else {}
    if told.get("phase") == "running":
        _undo(_order(here), here)
        _tell(here, "over", "it was cut off, and undone")
    return 0


def _wait(order: wire.DrillOrder, fault: Fault, place: Place) -> None:
    end = time.monotonic() + (order.seconds if fault.undo else 0)
    while time.monotonic() < end and not (place.run / ENDED).exists():
        time.sleep(POLL_SECONDS)


def _undo(order: wire.DrillOrder, place: Place) -> None:
    reverse = FAULTS[order.fault].undo
    if reverse is not None:
        reverse(order, place)
    log.info("drill undone", extra={"fields": {"fault": order.fault}})


def _kill_container(order: wire.DrillOrder, place: Place) -> None:
    place.command("docker", "kill", order.container or "")


def _signal_agent(signal: str, place: Place) -> None:
    place.command("systemctl", "kill", f"--signal={signal}", "--kill-who=main", AGENT)


def _wake_agent(_: wire.DrillOrder, place: Place) -> None:
    """The one that was stopped, if systemd has not ended it by now; a new one takes no notice."""
    with contextlib.suppress(subprocess.CalledProcessError):  # there is none just now
        _signal_agent("SIGCONT", place)


def _unit(verb: str, unit: str) -> Callable[[wire.DrillOrder, Place], None]:
    return lambda _, place: place.command("systemctl", verb, unit)


def _fill(order: wire.DrillOrder, place: Place) -> None:
    """One file that takes what is free, but for the spare; the space is reserved, and not written."""
    most = order.fill_mib << 20 or MOST_FILL_BYTES
    size = min(shutil.disk_usage(place.state).free - SPARE_BYTES, most)
    with (place.state / FILL).open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(size, 1))


def _empty(_: wire.DrillOrder, place: Place) -> None:
    (place.state / FILL).unlink(missing_ok=True)


FAULTS: Final[dict[wire.DrillFault, Fault]] = {
    "container": Fault(_kill_container),
    "agent-hang": Fault(lambda _, place: _signal_agent("SIGSTOP", place), _wake_agent),
    "agent-kill": Fault(lambda _, place: _signal_agent("SIGKILL", place)),
    "nginx": Fault(_unit("stop", "nginx.service"), _unit("start", "nginx.service")),
    "docker": Fault(_unit("restart", "docker.service")),
    "disk": Fault(_fill, _empty),
}


def _order(place: Place) -> wire.DrillOrder:
    told = json.loads((place.run / ORDERED).read_text())
    return wire.DrillOrder.model_validate({key: value for key, value in told.items() if key != "began_at"})


def _tell(place: Place, phase: wire.DrillPhase, reason: str = "") -> None:
    told: dict[str, Any] = {"phase": phase, "reason": reason}
    write_private(place.run / TOLD, json.dumps(told).encode())
