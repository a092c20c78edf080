"""What the API asks of whatever runs the droplets' machines; contract tests put a quick fake in its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Machine:
    """What a machine is made from.

    `image` is a snapshot's id, or None for a fresh Debian 12; `address` lies in the VPC; `instance` tells cloud-init
    whether it has met this machine before; `memory_mib` is a limit.
    """

    id: int
    hostname: str
    address: str
    memory_mib: int
    instance: str
    image: int | None = None
    user_data: str = ""
    public_keys: tuple[str, ...] = ()


class Machines(Protocol):
    """Runs machines by droplet id. Every call blocks until it is done, may be repeated, and may come from any thread.

    A failure is a SandboxError. An unknown id is an error for all but `remove` and `remove_snapshot`.
    """

    def create(self, machine: Machine) -> None:
        """Makes the disk, unless there is one for this id, and starts it."""

    def start(self, id: int) -> None:
        """Powers it on."""

    def stop(self, id: int) -> None:
        """Shuts it down in order; after half a minute the power goes off."""

    def kill(self, id: int) -> None:
        """Takes its power away."""

    def remove(self, id: int) -> None:
        """Destroys it with its disk."""

    def snapshot(self, id: int, snapshot: int) -> int:
        """Copies the disk and Docker's data, whatever runs is frozen meanwhile; gives the bytes that the copy takes."""

    def remove_snapshot(self, snapshot: int) -> None:
        """Forgets a copy; machines made from it keep their disks."""

    def pause(self, id: int) -> None:
        """Freezes every process in it, as a host that hangs."""

    def resume(self, id: int) -> None:
        """Lets the processes go on."""

    def fill(self, id: int, mib: int) -> None:
        """Puts a file of this size on its disk; 0 takes it away."""
