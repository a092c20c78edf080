"""A method for each route of the agent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import httpx

from agent import keys, wire
from agent.client.drills import DrillClient
from agent.client.images import ImageCalls
from agent.client.keys import KeyClient
from agent.client.origin import OriginClient
from agent.client.transport import checked, parsed, translated
from agent.client.upgrades import UpgradeClient
from agent.client.ways import AsyncWay

SLACK_SECONDS: Final = 60.0
"""On top of what a service itself may take to start or to drain."""
LONGEST_DRAIN_SECONDS: Final = 600.0
PEERS_SECONDS: Final = 120.0
"""Longer than the droplet's proxy may take to try, take up and, if need be, take back a table."""
EXAMINE_SECONDS: Final = 300.0
"""Longer than an agent reads its disk."""
LEASE_SECONDS: Final = 60.0
"""Longer than an agent lets a new lease wait for a change that is going on."""


class AgentClient(ImageCalls):
    """Calls of one agent over an open `httpx.Client`, whose base URL, key and certificate are the droplet's.

    Args:
        http: the open client.
        fencing: the number of the lease under which services are changed; reading needs none.
        opening: which of the droplet's keys it is, where that was looked for.
    """

    def __init__(self, http: httpx.Client, fencing: int | None = None, opening: keys.Opening | None = None) -> None:
        super().__init__(http)
        self.opening = opening
        self._fence = {} if fencing is None else {wire.FENCING_HEADER: str(fencing)}

    @property
    def upgrades(self) -> UpgradeClient:
        """The calls about the agent's own version."""
        return UpgradeClient(self._http)

    @property
    def keys(self) -> KeyClient:
        """The calls about the droplet's own key."""
        return KeyClient(self._http)

    @property
    def origin(self) -> OriginClient:
        """The calls about the droplet as the edge's origin."""
        return OriginClient(self._http)

    def drills(self, name: str) -> DrillClient:
        """The calls about drills, under the lease of this name and the client's number."""
        return DrillClient(self._http, name, self._fence)

    def ping(self) -> wire.Ping:
        """Alive, and which version."""
        return self._call(wire.Ping, "GET", "/ping")

    def enrol(self, body: wire.Enrol) -> wire.Ping:
        """Hand the droplet its secret; under the boot secret only, and once."""
        return self._call(wire.Ping, "POST", "/enrol", body)

    def node(self, observer: str = "controller") -> wire.Node:
        """The droplet as a whole; log errors are those since this observer's last call."""
        return self._call(wire.Node, "GET", "/node", params=_asked(observer))

    def health(
        self, name: str, observer: str = "controller", role: wire.Slot = "current", why: bool = False
    ) -> wire.Verdict:
        """The health rule for one container; with `why` all that may tell a cause, however healthy it is."""
        params = {**_asked(observer), "role": role, **({"why": "true"} if why else {})}
        return self._call(wire.Verdict, "GET", f"/{name}/health", params=params)

    def containers(self) -> wire.Containers:
        """All managed containers."""
        return self._call(wire.Containers, "GET", "/containers")

    def logs(
        self, name: str, tail: int = 200, since: datetime | None = None, role: wire.Slot | None = None
    ) -> wire.Logs:
        """The last lines of a container, at most `tail`, oldest first."""
        wanted = {"tail": tail, "since": since.isoformat() if since else None, "role": role}
        params = {key: value for key, value in wanted.items() if value is not None}
        return self._call(wire.Logs, "GET", f"/containers/{name}/logs", params=params)

    def runs(self, name: str, limit: int = 100) -> wire.JobRuns:
        """The latest runs of a scheduled container, newest first; at most 1000."""
        return self._call(wire.JobRuns, "GET", f"/containers/{name}/runs", params={"limit": limit})

    def leases(self) -> wire.Leases:
        """All locks that are held on the droplet."""
        return self._call(wire.Leases, "GET", "/leases")

    def take_lease(self, name: str, body: wire.LeaseRequest) -> wire.Lease:
        """Take the lock of a service; a client with a number renews that very lease, or fails."""
        return self._call(wire.Lease, "PUT", f"/leases/{name}", body, seconds=LEASE_SECONDS, headers=self._fence)

    def free_lease(self, name: str) -> wire.Leases:
        """Free the lock that the client's number stands for; gives those that are still held."""
        return self._call(wire.Leases, "DELETE", f"/leases/{name}", headers=self._fence)

    def prepare(self, name: str, spec: wire.ContainerSpec) -> wire.Changed:
        """Start a release beside the current one; returns once it is healthy."""
        seconds = spec.health.start_seconds + SLACK_SECONDS
        return self._change("PUT", f"/containers/{name}/candidate", spec, seconds=seconds)

    def promote(self, name: str, body: wire.Promote) -> wire.Changed:
        """Make the candidate current."""
        return self._change("POST", f"/containers/{name}/promote", body)

    def rollback(self, name: str, body: wire.Rollback) -> wire.Changed:
        """Make a release that was kept current again."""
        return self._change("POST", f"/containers/{name}/rollback", body)

    def retire(self, name: str, body: wire.Retire) -> wire.Changed:
        """Stop the older releases, each once its last request has ended; those that are too many go."""
        return self._change("POST", f"/containers/{name}/retire", body)

    def stop(self, name: str, body: wire.Stop) -> wire.Changed:
        """Stop one role once its last request has ended."""
        return self._change("POST", f"/containers/{name}/stop", body)

    def start(self, name: str) -> wire.Changed:
        """Start the current container and route to it."""
        return self._change("POST", f"/containers/{name}/start")

    def restart(self, name: str) -> wire.Changed:
        """Restart the current container; returns once it is healthy."""
        return self._change("POST", f"/containers/{name}/restart")

    def recreate(self, name: str, spec: wire.ContainerSpec) -> wire.Changed:
        """Make the current container anew, of the same release; returns once the new one serves."""
        return self._change("POST", f"/containers/{name}/recreate", spec)

    def remove(self, name: str) -> wire.Changed:
        """Take the service off the droplet."""
        return self._change("DELETE", f"/containers/{name}")

    def remove_candidate(self, name: str) -> wire.Changed:
        """Remove the candidate; none is fine."""
        return self._change("DELETE", f"/containers/{name}/candidate")

    def begin_maintenance(self, name: str, body: wire.Maintenance) -> wire.Changed:
        """Show visitors this page instead of the service."""
        return self._change("PUT", f"/containers/{name}/maintenance", body)

    def end_maintenance(self, name: str) -> wire.Changed:
        """Show visitors the service again."""
        return self._change("DELETE", f"/containers/{name}/maintenance")

    def remove_volume(self, name: str, volume: str) -> wire.Changed:
        """Remove a named volume and its data; refused while a container of the service has it."""
        return self._change("DELETE", f"/containers/{name}/volumes/{volume}")

    def routes(self) -> wire.Routes:
        """The table that nginx uses."""
        return self._call(wire.Routes, "GET", "/routes")

    def inventory(self) -> wire.Inventory:
        """What is on the droplet beside the managed containers."""
        return self._call(wire.Inventory, "GET", "/inventory")

    def write_routes(self, routes: wire.Routes) -> wire.Routes:
        """Replace the whole table; gives the one in use afterwards."""
        return self._call(wire.Routes, "PUT", "/routes", routes)

    def peers(self) -> wire.PeerTable:
        """The tcp services that the droplet's containers reach by name."""
        return self._call(wire.PeerTable, "GET", "/peers")

    def write_peers(self, body: wire.Peers) -> wire.PeerTable:
        """Replace the whole table; returns once it is in use."""
        return self._call(wire.PeerTable, "PUT", "/peers", body, seconds=PEERS_SECONDS)

    def vigil(self) -> wire.VigilState:
        """How it stands with the health rounds, as the droplet sees it."""
        return self._call(wire.VigilState, "GET", "/vigil")

    def write_vigil(self, body: wire.Vigil) -> wire.VigilState:
        """Where the droplet tells people that no health round comes any more, and who tells before it."""
        return self._call(wire.VigilState, "PUT", "/vigil", body)

    def seal(self) -> wire.Ping:
        """Have the droplet forget all that a snapshot must not carry; its agent ends."""
        return self._call(wire.Ping, "POST", "/seal")

    def restart_agent(self) -> wire.Ping:
        """Have the agent end; systemd starts it anew within seconds, and containers do not notice."""
        return self._call(wire.Ping, "POST", "/restart")

    def write_pauses(self, controller: str, body: wire.Pauses) -> wire.PauseBook:
        """Hand over all pauses of one controller; gives what all of them have handed over."""
        return self._call(wire.PauseBook, "PUT", f"/pauses/{controller}", body)

    def manifests(self) -> wire.Manifests:
        """What the environment's services were to be when they were deployed last."""
        return self._call(wire.Manifests, "GET", "/manifests")

    def keep_manifest(self, name: str, body: wire.Manifest) -> wire.Manifests:
        """Leave what a service is to be with the droplet; gives all that it keeps."""
        return self._call(wire.Manifests, "PUT", f"/manifests/{name}", body, headers=self._fence)

    def forget_manifest(self, name: str) -> wire.Manifests:
        """Have the droplet forget what a service was to be; none is fine."""
        return self._call(wire.Manifests, "DELETE", f"/manifests/{name}", headers=self._fence)

    def examine(self, body: wire.Examine) -> wire.Examination:
        """Have the droplet look at itself: what a snapshot's first droplet is asked."""
        return self._call(wire.Examination, "POST", "/examine", body, seconds=EXAMINE_SECONDS)

    def _change(
        self,
        method: str,
        path: str,
        body: wire.Request | None = None,
        seconds: float = LONGEST_DRAIN_SECONDS + SLACK_SECONDS,
    ) -> wire.Changed:
        """A call under the lease, which may wait for requests to end and for a container to start."""
        return self._call(wire.Changed, method, path, body, seconds=seconds, headers=self._fence)


class AsyncAgentClient:
    """The one call of a health sweep; never enrols, and never waits longer than `CALL_SECONDS` for an answer."""

    def __init__(self, ring: keys.Ring, droplet: str, address: str, port: int = wire.PORT) -> None:
        self._way = AsyncWay(ring, droplet, address, port)

    async def __aenter__(self) -> AsyncAgentClient:
        """Itself; the connection is made by the first call."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closes the connection."""
        await self._way.close()

    async def node(self, observer: str) -> wire.Node:
        """The droplet as a whole; log errors are those since this observer's last call."""
        http = await self._way.http()
        with translated():
            reply = await http.get("/node", params=_asked(observer), extensions=self._way.named)
        return parsed(wire.Node, checked(reply))


def _asked(observer: str) -> dict[str, str]:
    """Who asks, and when by its own clock: the droplet tells how far its own is from that."""
    return {"observer": observer, "clock": datetime.now(UTC).isoformat()}
