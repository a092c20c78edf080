"""Machines that are nothing but their state: quick, and strict about what may be done in which."""

from __future__ import annotations

from threading import Event, Lock

from sandbox.errors import SandboxError
from sandbox.machines.ports import Machine


class FakeMachines:
    """The port `sandbox.machines.ports.Machines` in memory.

    `failing` names calls that fail; `held`, when it is cleared, holds shutdowns back.
    """

    def __init__(self) -> None:
        self.made: dict[int, Machine] = {}
        self.running: set[int] = set()
        self.frozen: set[int] = set()
        self.filled: dict[int, int] = {}
        self.copies: dict[int, Machine] = {}
        self.failing: set[str] = set()
        self.held = Event()
        self.held.set()
        self._lock = Lock()

    def create(self, machine: Machine) -> None:
        with self._lock:
            self._may("create")
            if machine.image is not None and machine.image not in self.copies:
                raise SandboxError("There is no such snapshot.", "Take one.")
            self.made.setdefault(machine.id, machine)
            self.running.add(machine.id)

    def start(self, id: int) -> None:
        self._known("start", id)
        self.running.add(id)

    def stop(self, id: int) -> None:
        self._known("stop", id)
        self.held.wait(10)
        self.running.discard(id)

    def kill(self, id: int) -> None:
        self._known("kill", id)
        self.running.discard(id)

    def remove(self, id: int) -> None:
        self._may("remove")
        self.made.pop(id, None)
        self.running.discard(id)

    def snapshot(self, id: int, snapshot: int) -> int:
        self._known("snapshot", id)
        self.copies[snapshot] = self.made[id]
        return 840_000_000

    def remove_snapshot(self, snapshot: int) -> None:
        self.copies.pop(snapshot, None)

    def pause(self, id: int) -> None:
        self._known("pause", id)
        self.frozen.add(id)

    def resume(self, id: int) -> None:
        self._known("resume", id)
        self.frozen.discard(id)

    def fill(self, id: int, mib: int) -> None:
        self._known("fill", id)
        self.filled[id] = mib

    def _known(self, call: str, id: int) -> None:
        self._may(call)
        if id not in self.made:
            raise SandboxError(f"The machine of droplet {id} is gone.", "Make another.")

    def _may(self, call: str) -> None:
        if call in self.failing:
            raise SandboxError(f"{call} fails.", "It was told to.")
