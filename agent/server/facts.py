"""Facts of the droplet itself, read from the kernel's files."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

from agent import wire

_PROC = Path("/proc")


def disk(path: Path) -> wire.Disk:
    """The file system that holds `path`, or its nearest parent that exists."""
    usage = shutil.disk_usage(next(one for one in (path, *path.parents) if one.exists()))
    return wire.Disk(total=usage.total, free=usage.free)


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
