"""Facts of the droplet itself, read from the kernel's files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from agent import wire
from agent.server.vitals import Room

_PROC = Path("/proc")
_TIMESYNC: Final = Path("/run/systemd/timesync")
"""Where systemd's keeper of the clock leaves a mark once a time server has set it."""


def disk(path: Path) -> wire.Disk:
    """The file system that holds `path`, or its nearest parent that exists."""
    usage = shutil.disk_usage(_there(path))
    return wire.Disk(total=usage.total, free=usage.free)


def rooms(paths: Iterable[tuple[str, Path]]) -> dict[str, Room]:
    """What is left on the disks of these paths, each once, by the first name that it has here."""
    found: dict[int, tuple[str, Room]] = {}
    for name, path in paths:
        there = _there(path)
        seen = os.statvfs(there)
        room = Room(seen.f_blocks * seen.f_frsize, seen.f_bavail * seen.f_frsize, seen.f_files, seen.f_favail)
        found.setdefault(there.stat().st_dev, (name, room))
    return dict(found.values())


def certificate(path: Path) -> datetime | str:
    """When a certificate ends, or why nobody can say."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except (OSError, ValueError) as error:
        return str(error)


def synchronised(folder: Path = _TIMESYNC) -> bool | None:
    """Whether a time server has set the clock since the boot; None: systemd does not keep it here."""
    return (folder / "synchronized").exists() if folder.is_dir() else None


def memory() -> wire.Disk:
    """The droplet's memory; free is what programs could still get."""
    lines = (line.split(":") for line in (_PROC / "meminfo").read_text().splitlines())
    kilobytes = {name: int(value.split()[0]) for name, value in lines}
    return wire.Disk(total=kilobytes["MemTotal"] << 10, free=kilobytes["MemAvailable"] << 10)


def load() -> tuple[float, float, float]:
    """The load averages of 1, 5 and 15 minutes."""
    return os.getloadavg()


def booted_at() -> datetime:
    """When the kernel started."""
    line = next(line for line in (_PROC / "stat").read_text().splitlines() if line.startswith("btime "))
    return datetime.fromtimestamp(int(line.split()[1]), UTC)


def resident_bytes() -> int:
    """The memory that this process holds."""
    return int((_PROC / "self" / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _there(path: Path) -> Path:
    """It, or its nearest parent that exists."""
    return next(one for one in (path, *path.parents) if one.exists())
