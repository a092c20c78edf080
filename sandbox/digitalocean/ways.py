"""The ways into the droplets: opened with them, and kept to their firewalls, power and faults."""

from __future__ import annotations

from typing import Any

from sandbox.digitalocean.firewall_rules import sources_by_port
from sandbox.digitalocean.inventory import FIREWALL, Inventory
from sandbox.machines.forwarder import Gate, Rules

JSON = dict[str, Any]


class Ways:
    """A gate for each droplet that has been on; a droplet that is off has one too, which is silent."""

    def __init__(self, inventory: Inventory) -> None:
        self.faults: dict[int, JSON] = {}
        self._inventory = inventory
        self._gates: dict[int, Gate] = {}

    def open(self, droplet: JSON) -> None:
        """Lets connections in, as far as the rules allow; one that is open stays as it is."""
        if droplet["id"] not in self._gates:
            self._gates[droplet["id"]] = Gate(droplet["_public"], droplet["_private"])

    def cut(self, id: int) -> None:
        """Ends what is connected now."""
        gate = self._gates.get(id)
        if gate is not None:
            gate.drop_connections()

    async def close(self, id: int) -> None:
        """Takes the way of a droplet away."""
        gate = self._gates.pop(id, None)
        if gate is not None:
            await gate.close()

    async def close_all(self) -> None:
        """Takes all ways away."""
        for id in list(self._gates):
            await self.close(id)

    def apply_rules(self) -> None:
        """Brings firewalls, power and faults of every droplet to its way in."""
        droplets, firewalls = self._inventory.droplets(), self._settled()
        for droplet in droplets:
            gate = self._gates.get(droplet["id"])
            if gate is not None:
                gate.apply(self._rules(droplet, firewalls, droplets))

    def _rules(self, droplet: JSON, firewalls: list[JSON], droplets: list[JSON]) -> Rules:
        fault = self.faults.get(droplet["id"], {})
        silent = droplet["status"] != "active" or bool(fault.get("cut"))
        sources = sources_by_port(droplet, firewalls, droplets)
        return Rules(sources, silent, float(fault.get("latency", 0)))

    def _settled(self) -> list[JSON]:
        """Firewalls in force: a changed one that is waiting still has its old rules."""
        found = self._inventory.store.all(FIREWALL)
        return [item if item["status"] == "succeeded" else item["_before"] for item in found if _in_force(item)]


def _in_force(firewall: JSON) -> bool:
    return firewall["status"] == "succeeded" or firewall.get("_before") is not None
