"""Facts of the droplet itself, read from the kernel's files."""

from __future__ import annotations

import ipaddress
import os
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from agent import wire
from agent.server.vitals import Room

MOST_SOCKETS: Final = 100
_PROC: Final = Path("/proc")
_LISTEN: Final = "0A"
_RESOLVER: Final = "127.0.0.11"
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


def memory_kills() -> int | None:
    """How many processes the kernel has killed for want of memory since it booted, in containers too."""
    found = [line.split() for line in (_PROC / "vmstat").read_text().splitlines() if line.startswith("oom_kill ")]
    return int(found[0][1]) if found else None


def room(path: Path) -> wire.Room:
    """What is left of the file system that holds `path`, or its nearest parent that exists."""
    found = os.statvfs(_there(path))
    inodes = found.f_favail if found.f_files else None
    return wire.Room(free=found.f_bavail * found.f_frsize, total=found.f_blocks * found.f_frsize, inodes=inodes)


def listening(pid: int, proc: Path = _PROC) -> tuple[wire.Socket, ...] | None:
    """The TCP ports on which anything in the network of this process listens; None: it is gone.

    Docker's own resolver, which is in every network, is left out.
    """
    try:
        tables = [(proc / str(pid) / "net" / name).read_text() for name in ("tcp", "tcp6")]
    except OSError:
        return None
    rows = [line.split() for table in tables for line in table.splitlines()[1:]]
    pairs = {_socket(row[1]) for row in rows if row[3] == _LISTEN}
    found = [wire.Socket(address=address, port=port) for address, port in sorted(pairs) if address != _RESOLVER]
    return tuple(found[:MOST_SOCKETS])


def _socket(text: str) -> tuple[str, int]:
    """An address of the kernel's: each word of four bytes is in the machine's own order."""
    address, port = text.split(":")
    words = [bytes.fromhex(address[at : at + 8])[::-1] for at in range(0, len(address), 8)]
    found = ipaddress.ip_address(b"".join(words))
    return str(found), int(port, 16)


def _there(path: Path) -> Path:
    """It, or its nearest parent that exists."""
    return next(one for one in (path, *path.parents) if one.exists())
