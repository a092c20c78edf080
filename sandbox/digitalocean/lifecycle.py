"""What takes time: droplets that come and go, actions, firewalls. Picked up again after a restart of the sandbox."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Coroutine
from typing import Any

from sandbox.digitalocean.inventory import ACTION, DROPLET, FIREWALL, LEAVING, SNAPSHOT, Inventory
from sandbox.digitalocean.pace import (
    ACTION_SECONDS,
    ACTIVE_SECONDS,
    ADDRESS_SECONDS,
    FIREWALL_SECONDS,
    SNAPSHOT_SECONDS,
    Pace,
)
from sandbox.digitalocean.snapshots import snapshot_document
from sandbox.digitalocean.ways import Ways
from sandbox.errors import SandboxError
from sandbox.machines.ports import Machine, Machines

JSON = dict[str, Any]
log = logging.getLogger(__name__)

_TOGETHER = 4  # machines that are made, copied or ended at the same time


class Lifecycle:
    """Carries out what the routes have written down. Everything here runs on one event loop.

    `start` continues what an earlier process left; `stop` leaves everything as it is, for the next one.
    """

    def __init__(self, inventory: Inventory, machines: Machines, pace: Pace) -> None:
        self.inventory = inventory
        self.machines = machines
        self.ways = Ways(inventory)
        self._pace = pace
        self._locks: dict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._slots = asyncio.Semaphore(_TOGETHER)
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Powers on what was on, opens the ways to it, and goes on with what was under way."""
        for droplet in self.inventory.droplets():
            if droplet["status"] == "off":
                self.ways.open(droplet)
            elif droplet["status"] == "active" and not droplet.get("_pending"):
                self._spawn(self._return(droplet["id"]))
        self.ways.apply_rules()
        for action in self.inventory.store.all(ACTION):
            if action["status"] == "in-progress":
                self.carry_out(action)
        for leaving in self.inventory.store.all(LEAVING):
            self._spawn(self._destroy(leaving["id"]))
        for firewall in self.inventory.store.all(FIREWALL):
            self.settle(firewall["id"])

    async def stop(self) -> None:
        """Ends the ways and the work; machines stay as they are."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.ways.close_all()

    async def power_off_all(self) -> None:
        """Shuts every machine down in order; their documents still say `active`, so `start` brings them back."""
        ids = [droplet["id"] for droplet in self.inventory.droplets() if droplet["status"] == "active"]
        await asyncio.gather(*(self._machine(self.machines.stop, id) for id in ids), return_exceptions=True)

    def carry_out(self, action: JSON) -> None:
        """Does what an action says, in the background."""
        self._spawn(self._run(action))

    def destroy(self, droplet: JSON) -> None:
        """Takes a droplet out of the account at once, and its machine away in the background."""
        store = self.inventory.store
        store.put(LEAVING, droplet["id"], {"id": droplet["id"], "_public": droplet["_public"]})
        store.delete(DROPLET, droplet["id"])
        pending = store.get(ACTION, droplet.get("_pending") or 0)
        if pending:
            self.inventory.end_action(pending, "errored")
        self._spawn(self._destroy(droplet["id"]))

    def forget_snapshot(self, id: int) -> None:
        """Removes the disk of a snapshot that has left the account, in the background."""
        self._spawn(self._forget_snapshot(id))

    def settle(self, firewall_id: str) -> None:
        """Lets a changed or new firewall take effect after a while."""
        self._spawn(self._settle(firewall_id))

    async def disturb(self, id: int, change: JSON) -> JSON:
        """Puts a fault on a droplet, or takes it away; gives those that are on it. See `sandbox.control`."""
        fault = self.ways.faults.setdefault(id, {})
        fault.update(change)
        if "power" in change:
            await self._machine(self.machines.start if change["power"] == "on" else self.machines.kill, id)
            (self._on if change["power"] == "on" else self._off)(id)
        if "pause" in change:
            await self._machine(self.machines.pause if change["pause"] else self.machines.resume, id)
        if "fill_mib" in change:
            await self._machine(self.machines.fill, id, change["fill_mib"])
        self.ways.apply_rules()
        return fault

    async def _run(self, action: JSON) -> None:
        """One action from its beginning to its end; a failure is seen in its status, as on DigitalOcean."""
        id = action["resource_id"]
        async with self._locks[id]:
            if self.inventory.store.get(DROPLET, id) is None:
                return
            try:
                await _STEPS[action["type"]](self, id, action)
            except SandboxError as error:
                log.error("%s of droplet %s: %s", action["type"], id, error)
                self.inventory.end_action(action, "errored")
            else:
                self.inventory.end_action(action, "completed")
            self.ways.apply_rules()

    async def _create(self, id: int, action: JSON) -> None:
        booting = asyncio.ensure_future(self._machine(self.machines.create, self._spec(id)))
        waiting = asyncio.ensure_future(self._pace.wait(ACTIVE_SECONDS))
        try:
            await self._pace.wait(ADDRESS_SECONDS)
            droplet = self.inventory.droplet_or_none(id)
            if droplet is not None:
                self.inventory.change(DROPLET, id, networks=droplet["_networks"])
            await booting
            await waiting
        finally:
            await asyncio.gather(booting, waiting, return_exceptions=True)
        self._on(id)

    async def _rebuild(self, id: int, action: JSON) -> None:
        self.inventory.change(DROPLET, id, status="new", image=action["_image"], _generation=action["id"])
        self.ways.cut(id)
        await self._machine(self.machines.remove, id)
        await self._create(id, action)

    async def _power_on(self, id: int, action: JSON) -> None:
        await self._machine(self.machines.start, id)
        await self._pace.wait(ACTION_SECONDS)
        self._on(id)

    async def _power_off(self, id: int, action: JSON) -> None:
        await self._machine(self.machines.kill, id)
        self._off(id)
        await self._pace.wait(ACTION_SECONDS)

    async def _shutdown(self, id: int, action: JSON) -> None:
        await self._machine(self.machines.stop, id)
        self._off(id)
        await self._pace.wait(ACTION_SECONDS)

    async def _reboot(self, id: int, action: JSON) -> None:
        await self._shutdown(id, action)
        await self._power_on(id, action)

    async def _power_cycle(self, id: int, action: JSON) -> None:
        await self._power_off(id, action)
        await self._power_on(id, action)

    async def _snapshot(self, id: int, action: JSON) -> None:
        size = await self._machine(self.machines.snapshot, id, action["_snapshot"])
        await self._pace.wait(SNAPSHOT_SECONDS)
        droplet = self.inventory.droplet_or_none(id)
        if droplet is None:
            raise SandboxError("The droplet is gone.", "Keep it until its snapshot is complete.")
        snapshot = snapshot_document(droplet, action["_snapshot"], action["_name"], size)
        self.inventory.store.put(SNAPSHOT, snapshot["id"], snapshot)
        self.inventory.change(DROPLET, id, snapshot_ids=[*droplet["snapshot_ids"], snapshot["id"]])

    async def _rename(self, id: int, action: JSON) -> None:
        await self._pace.wait(ACTION_SECONDS)
        self.inventory.change(DROPLET, id, name=action["_name"])

    async def _return(self, id: int) -> None:
        """Brings a droplet back that was on when the sandbox ended."""
        async with self._locks[id]:
            try:
                await self._machine(self.machines.start, id)
            except SandboxError as error:
                log.error("droplet %s does not come back: %s", id, error)
                self.inventory.change(DROPLET, id, status="off")
                return
            self._on(id)

    async def _destroy(self, id: int) -> None:
        async with self._locks[id]:
            await self.ways.close(id)
            try:
                await self._machine(self.machines.remove, id)
            except SandboxError as error:
                log.error("droplet %s: %s", id, error)
                return
            self.inventory.store.delete(LEAVING, id)
        self._locks.pop(id, None)

    async def _forget_snapshot(self, id: int) -> None:
        try:
            await self._machine(self.machines.remove_snapshot, id)
        except SandboxError as error:
            log.error("snapshot %s: %s", id, error)

    async def _settle(self, firewall_id: str) -> None:
        await self._pace.wait(FIREWALL_SECONDS)
        self.inventory.change(FIREWALL, firewall_id, status="succeeded", pending_changes=[])
        self.ways.apply_rules()

    def _on(self, id: int) -> None:
        """A droplet that runs: its status, and an open way to it."""
        droplet = self.inventory.change(DROPLET, id, status="active")
        if droplet is not None:
            self.ways.open(droplet)
        self.ways.apply_rules()

    def _off(self, id: int) -> None:
        self.inventory.change(DROPLET, id, status="off")
        self.ways.cut(id)
        self.ways.apply_rules()

    def _spec(self, id: int) -> Machine:
        droplet = self.inventory.droplet(id)
        return Machine(
            id=id,
            hostname=droplet["name"],
            address=droplet["_private"],
            memory_mib=droplet["memory"],
            instance=f"{id}-{droplet['_generation']}",
            image=None if droplet["image"]["public"] else droplet["image"]["id"],
            user_data=droplet["_user_data"],
            public_keys=tuple(droplet["_public_keys"]),
        )

    async def _machine(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """A blocking call, in a thread; a few at a time."""
        async with self._slots:
            return await asyncio.to_thread(call, *arguments)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("background work failed", exc_info=task.exception())


Step = Callable[[Lifecycle, int, JSON], Coroutine[Any, Any, None]]
_STEPS: dict[str, Step] = {
    "create": Lifecycle._create,
    "rebuild": Lifecycle._rebuild,
    "restore": Lifecycle._rebuild,
    "power_on": Lifecycle._power_on,
    "power_off": Lifecycle._power_off,
    "shutdown": Lifecycle._shutdown,
    "reboot": Lifecycle._reboot,
    "power_cycle": Lifecycle._power_cycle,
    "snapshot": Lifecycle._snapshot,
    "rename": Lifecycle._rename,
}
