"""Who may change a service now: leases with fencing numbers, kept on the droplet and known again after a restart.

A lease ends when it is freed, when its time is over, or with the boot that it was given in. Time is what the kernel
counts since the boot, pauses included, so that setting the clock changes nothing. Fencing numbers come from one
counter of the droplet: each new lease has a higher one than every lease before it, of whatever service, and none is
given twice, even when the file is lost.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from agent import wire
from agent.server.errors import Failure
from agent.server.secret_files import write_private

NAMES: Final = 1000
"""Services whose lease is remembered; of those that are over, the oldest are forgotten first."""
T = TypeVar("T")
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
log = logging.getLogger("agent")


@dataclass(frozen=True)
class Moment:
    """A point in time, by the clock that counts and by the one that people read."""

    boot: str
    """Which boot of the droplet."""
    elapsed: float
    """Seconds since it."""
    utc: datetime


@dataclass(frozen=True)
class Lease:
    """The last lease of one service."""

    holder: str
    since: datetime
    fencing: int
    boot: str
    until: float
    """Seconds since that boot; 0 once it is freed."""

    def left(self, now: Moment) -> float:
        """The seconds for which it still holds; 0 when it is over."""
        return max(self.until - now.elapsed, 0.0) if self.boot == now.boot else 0.0


@dataclass(frozen=True)
class _Table:
    """What the file holds."""

    last: int
    leases: dict[str, Lease]


_FILE: Final = TypeAdapter(_Table)


def moment() -> Moment:
    """Now."""
    return Moment(_BOOT_ID.read_text().strip(), time.clock_gettime(time.CLOCK_BOOTTIME), datetime.now(UTC))


class Leases:
    """The leases of one droplet; every change is on the disk before it counts. Safe to use from several threads."""

    def __init__(
        self, path: Path, clock: Callable[[], Moment] | None = None, closed: Callable[[], Failure | None] = lambda: None
    ) -> None:
        self._path = path
        self._closed = closed
        self._now = clock or moment
        self._lock = threading.Lock()
        self._table = self._read()

    def renew(self, name: str, asked: wire.LeaseRequest, fencing: int | None) -> wire.Lease | None:
        """Prolong the lease if this holder has it; None when it is free to take.

        Args:
            name: the container's plain name.
            asked: who asks, and for how long.
            fencing: prolong the lease with this number, or none at all; None: whichever the holder has.

        Raises:
            Failure: 409 `leased` (another holder has it) or `fenced` (the lease with that number is over).
        """
        with self._lock:
            now = self._now()
            lease = self._table.leases.get(name)
            held = lease is not None and lease.left(now) > 0
            if fencing is not None and not (lease and held and lease.fencing == fencing):
                raise self._fenced(name, fencing, now)
            if not lease or not held:
                return None
            if lease.holder != asked.holder:
                raise _leased(name, lease, now)
            return self._keep(name, replace(lease, until=now.elapsed + asked.seconds), now)

    def take(self, name: str, asked: wire.LeaseRequest) -> wire.Lease:
        """Give the lease, with a new number, if it is free; the caller sees to it that no change is going on.

        Raises:
            Failure: 409 `leased` (another holder has it, or the whole droplet), 503 `busy` (too many services are
                locked).
        """
        if renewed := self.renew(name, asked, None):
            return renewed
        with self._lock:
            now = self._now()
            lease = self._table.leases.get(name)
            if lease and lease.left(now) > 0:
                raise _leased(name, lease, now)
            if refusal := self._closed():
                raise refusal
            fencing, until = self._table.last + 1, now.elapsed + asked.seconds
            taken = self._keep(name, Lease(asked.holder, now.utc, fencing, now.boot, until), now)
        log.info("lease taken", extra={"fields": {"service": name, "holder": asked.holder, "fencing": fencing}})
        return taken

    def free(self, name: str, fencing: int | None) -> None:
        """End the lease with this number; one that is over already, with no later one after it, is fine.

        Raises:
            Failure: 428 `lease_required` (no number was given), 409 `fenced` (it is not the last one's).
        """
        with self._lock:
            now = self._now()
            lease = self._table.leases.get(name)
            if fencing is None or lease is None or lease.fencing != fencing:
                raise self._fenced(name, fencing, now)
            if lease.left(now) > 0:
                self._keep(name, replace(lease, until=0.0), now)
                log.info("lease freed", extra={"fields": {"service": name, "fencing": fencing}})

    def while_free(self, begin: Callable[[], T]) -> T:
        """Do something that concerns the whole droplet, at a moment at which nobody holds any lease.

        Raises:
            Failure: 409 `leased`; nothing was begun.
        """
        with self._lock:
            now = self._now()
            for name, lease in sorted(self._table.leases.items()):
                if lease.left(now) > 0:
                    raise _leased(name, lease, now)
            if refusal := self._closed():
                raise refusal
            return begin()

    def check(self, name: str, fencing: int | None) -> None:
        """Whether a change under this number may begin now.

        Raises:
            Failure: 428 `lease_required` (no number was given), 409 `fenced` (its lease is not in force).
        """
        with self._lock:
            now = self._now()
            lease = self._table.leases.get(name)
            if fencing is None or lease is None or lease.fencing != fencing or not lease.left(now):
                raise self._fenced(name, fencing, now)

    def held(self) -> wire.Leases:
        """All that are in force."""
        with self._lock:
            now = self._now()
            found = sorted(self._table.leases.items())
            return wire.Leases(leases=tuple(_told(name, one, now) for name, one in found if one.left(now) > 0))

    def _keep(self, name: str, lease: Lease, now: Moment) -> wire.Lease:
        """Write it, then let it count."""
        leases = {**self._table.leases, name: lease}
        while len(leases) > NAMES:
            del leases[_oldest_over(leases, now)]
        table = _Table(max(self._table.last, lease.fencing), leases)
        try:
            write_private(self._path, _FILE.dump_json(table))
        except OSError as error:
            message = f"The lease of {name} could not be written: {error}"
            raise Failure(507, "disk", message, "Is the droplet's disk full? Nothing has been changed.") from error
        self._table = table
        return _told(name, lease, now)

    def _fenced(self, name: str, fencing: int | None, now: Moment) -> Failure:
        lease = self._table.leases.get(name)
        held = f"{_who(lease, now)}." if lease and lease.left(now) > 0 else "Nobody holds it now."
        if fencing is None:
            hint = f"Take it with PUT /leases/{name}, and send its number in the header {wire.FENCING_HEADER}."
            return Failure(428, "lease_required", f"A change of {name} needs its lease. {held}", hint)
        message = f"The lease {fencing} of {name} is not in force. {held}"
        return Failure(409, "fenced", message, "Look at what is there now, and start again.", **_facts(lease, now))

    def _read(self) -> _Table:
        """The file. Without one that can be read, numbers go on at the seconds since 1970: higher than all before."""
        try:
            return _FILE.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            pass
        except ValidationError as error:
            log.error("the leases cannot be read, and are over", extra={"fields": {"errors": error.error_count()}})
        return _Table(int(self._now().utc.timestamp()), {})


def _oldest_over(leases: dict[str, Lease], now: Moment) -> str:
    over = [(lease.fencing, name) for name, lease in leases.items() if not lease.left(now)]
    if not over:
        raise Failure(503, "busy", f"{NAMES} services of this droplet are locked.", "Free some, or wait.")
    return min(over)[1]


def _leased(name: str, lease: Lease, now: Moment) -> Failure:
    message = f"{name} is locked: {_who(lease, now)}."
    return Failure(409, "leased", message, "Wait until that run is over, or stop it.", **_facts(lease, now))


def _who(lease: Lease, now: Moment) -> str:
    since = lease.since.isoformat(sep=" ", timespec="seconds").replace("+00:00", " UTC")
    return f"{lease.holder} holds it since {since}, for {lease.left(now):.0f} s more unless renewed"


def _facts(lease: Lease | None, now: Moment) -> dict[str, str]:
    if lease is None or not lease.left(now):
        return {}
    return {"holder": lease.holder, "since": lease.since.isoformat(), "seconds_left": f"{lease.left(now):.0f}"}


def _told(name: str, lease: Lease, now: Moment) -> wire.Lease:
    return wire.Lease(
        service=name,
        holder=lease.holder,
        since=lease.since,
        seconds_left=lease.left(now),
        fencing=lease.fencing,
    )
