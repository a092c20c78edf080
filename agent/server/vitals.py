"""How the droplet itself is: room on its disks, memory, the certificate that the edge sees, the clock. Pure.

Docker and nginx are judged by their adapters' answers; what is here is judged by numbers. A number that could not be
read is `unknown`, and says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from agent import wire

LITTLE: Final = 0.1
"""Less of a disk, or of its inodes, than this part is little."""
FULL_BYTES: Final = 64 << 20
FULL_INODES: Final = 100
"""With less than either a disk counts as full: what is written next may fail."""
SCARCE: Final = 0.1
"""Less memory than this part is little."""
OUT_BYTES: Final = 32 << 20
"""With less memory than this the kernel is about to end processes."""
CLOCK: Final = timedelta(seconds=5)
"""Clocks that are farther apart than this are told."""
RENEW: Final = timedelta(days=21)
"""A certificate that ends sooner is told."""

Finding = tuple[wire.VerdictWord, str]
_ORDER: Final[tuple[wire.VerdictWord, ...]] = ("healthy", "unknown", "degraded", "unhealthy")


@dataclass(frozen=True)
class Room:
    """What is left of one file system; a file system without a number of inodes has none to run out of."""

    total: int
    free: int
    inodes: int = 0
    free_inodes: int = 0


@dataclass(frozen=True)
class Vitals:
    """What was read at one time."""

    at: datetime
    disks: Mapping[str, Room] = field(default_factory=lambda: MappingProxyType({}))
    """By what they are for."""
    memory: Room | None = None
    certificate: datetime | str = "nobody looked"
    """When the certificate that nginx shows ends; or why that is not known."""
    skew: timedelta | None = None
    """How far the clock is ahead of that of whoever asks; None: nobody said what time it is."""
    synchronised: bool | None = None
    """Whether the system keeps its clock by a time server; None: it does not say."""


def judge(seen: Vitals) -> dict[str, wire.Verdict]:
    """A verdict for each: `disk`, `memory`, `certificate`, `clock`."""
    found = {"disk": _disks(seen), "memory": _memory(seen), "certificate": _certificate(seen), "clock": _clock(seen)}
    evidence = _evidence(seen)
    return {
        name: wire.Verdict(verdict=word, reason=reason, checked_at=seen.at, evidence=evidence[name])
        for name, (word, reason) in found.items()
    }


def _disks(seen: Vitals) -> Finding:
    """That of the disk that is worst off."""
    found = [_disk(name, room) for name, room in seen.disks.items()]
    return max(found, key=lambda one: _ORDER.index(one[0]), default=("unknown", "no disk could be read"))


def _disk(name: str, room: Room) -> Finding:
    left = f"{_percent(room.free, room.total)} of the disk for {name} are free"
    if room.free < FULL_BYTES:
        return "unhealthy", f"the disk for {name} is full: {room.free >> 20} MiB are free"
    if room.inodes and room.free_inodes < FULL_INODES:
        return "unhealthy", f"the disk for {name} has no place for another file: {room.free_inodes} inodes are free"
    if room.free < LITTLE * room.total:
        return "degraded", left
    if room.inodes and room.free_inodes < LITTLE * room.inodes:
        return "degraded", f"{_percent(room.free_inodes, room.inodes)} of the inodes for {name} are free"
    return "healthy", left


def _memory(seen: Vitals) -> Finding:
    if seen.memory is None:
        return "unknown", "the memory could not be read"
    left = f"{_percent(seen.memory.free, seen.memory.total)} of the memory can still be had"
    if seen.memory.free < OUT_BYTES:
        return "unhealthy", f"{left}: the kernel is about to end processes"
    return ("degraded" if seen.memory.free < SCARCE * seen.memory.total else "healthy"), left


def _certificate(seen: Vitals) -> Finding:
    ends = seen.certificate
    if isinstance(ends, str):
        return "unknown", f"the certificate could not be read: {ends}"
    left = ends - seen.at
    if left <= timedelta(0):
        return "unhealthy", f"the certificate that the edge sees has ended on {ends:%Y-%m-%d}"
    told = f"the certificate that the edge sees ends on {ends:%Y-%m-%d}, in {left.days} days"
    return ("degraded" if left < RENEW else "healthy"), told


def _clock(seen: Vitals) -> Finding:
    """Never unhealthy: of two clocks that differ, either may be the wrong one."""
    if seen.skew is not None and abs(seen.skew) > CLOCK:
        way = "ahead of" if seen.skew > timedelta(0) else "behind"
        return "degraded", f"the clock is {abs(seen.skew).total_seconds():.0f} s {way} that of whoever asks"
    if seen.synchronised is False:
        return "degraded", "no time server has set the clock since the boot"
    if seen.skew is not None:
        return "healthy", f"the clock agrees with that of whoever asks, within {CLOCK.total_seconds():.0f} s"
    if seen.synchronised:
        return "healthy", "a time server sets the clock"
    return "unknown", "nobody said what time it is"


def _evidence(seen: Vitals) -> dict[str, dict[str, str]]:
    rooms = {name: f"{one.free} of {one.total} bytes" for name, one in seen.disks.items()}
    inodes = {f"{name} inodes": f"{one.free_inodes} of {one.inodes}" for name, one in seen.disks.items() if one.inodes}
    memory = {"free": f"{seen.memory.free} of {seen.memory.total} bytes"} if seen.memory else {}
    certificate = {} if isinstance(seen.certificate, str) else {"ends": seen.certificate.isoformat()}
    clock = {} if seen.skew is None else {"ahead by": f"{seen.skew.total_seconds():.3f} s"}
    clock |= {} if seen.synchronised is None else {"time server": "yes" if seen.synchronised else "no"}
    return {"disk": {**rooms, **inodes}, "memory": memory, "certificate": certificate, "clock": clock}


def _percent(part: int, whole: int) -> str:
    return f"{100 * part // max(whole, 1)} %"
