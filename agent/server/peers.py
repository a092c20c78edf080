"""Peers by name: the table of the environment's tcp services on this droplet, and the proxy that follows it.

The table is kept in a file, together with the environment's key and certificate; the secret that they are made of is
not. What the proxy should use is a function of that table and of the containers that run here, so whenever either
changes it is made anew, and nothing happens when it is what the proxy uses already.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from pathlib import Path
from typing import Final, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from agent import keys, wire
from agent.server import peers_conf
from agent.server.errors import Failure
from agent.server.peers_conf import Configuration, Identity, Site, Target
from agent.server.peers_nginx import NginxProxy, Proxy, ProxyError
from agent.server.ports import EngineError, Instance
from agent.server.secret_files import write_private
from agent.server.settings import Settings

MEND_SECONDS: Final = 2.0
NETWORK: Final = IPv4Network("198.18.0.0/15")
"""Where the addresses of services come from: set apart for tests of networks (RFC 2544), so in use nowhere."""
FILE: Final = "table.json"
_STOPPED: Final = frozenset({"exited", "created", "dead"})
log = logging.getLogger("agent")


class Containers(Protocol):
    """What runs on this droplet."""

    def instances(self) -> tuple[Instance, ...]:
        """All managed containers."""


class Kept(BaseModel):
    """What is on the disk: the table, and which identity belongs to it."""

    model_config = ConfigDict(frozen=True)

    table: wire.PeerList = wire.PeerList()
    identity: str


def load(folder: Path) -> Kept | None:
    """The table on the disk; None before the first one, and when it cannot be read."""
    try:
        return Kept.model_validate_json((folder / FILE).read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        log.error("the table of peers cannot be read; the next one replaces it")
        return None


def names(folder: Path, leave_out: str = "") -> dict[str, str]:
    """The names that a new container shall know and their addresses, but for one service: its own."""
    kept = load(folder)
    return {one.service: str(one.virtual) for one in kept.table.peers if one.service != leave_out} if kept else {}


class Peers:
    """The table of this droplet; any thread may call."""

    def __init__(
        self, droplet: str, site: Site, engine: Containers, proxy: Proxy, network: IPv4Network = NETWORK
    ) -> None:
        self._droplet = droplet
        self._site = site
        self._engine = engine
        self._proxy = proxy
        self._network = network
        self._lock = threading.Lock()

    def read(self) -> wire.PeerTable:
        """The table, and whether the proxy uses it."""
        with self._lock:
            kept = load(self._site.folder)
            return _reply(kept, applied=kept is None or self._proxy.in_use() == self._wanted(kept).digest)

    def replace(self, wanted: wire.Peers) -> wire.PeerTable:
        """Make this the table: all of it, in use and read back, or nothing.

        Raises:
            Failure: 409 `stale`, the table is another than the one that it would replace; 422, an address that is not
                one for services; 502 `peers`, the proxy did not take it, and goes on with the one before.
        """
        self._check(wanted)
        with self._lock:
            before = load(self._site.folder)
            if before is None and not wanted.peers:
                return _reply(None, applied=True)
            _check_replaced(before, wanted)
            after = Kept(table=wire.PeerList(peers=wanted.peers), identity=self._keep_identity(wanted.secret))
            changed = self._use(after)
            if after != before:
                write_private(self._site.folder / FILE, after.model_dump_json().encode())
            self._forget_identities(after.identity)
            return _reply(after, applied=True, changed=changed or after != before)

    def follow(self, container: str | None = None) -> bool:
        """Bring the proxy to the containers that run here now; says whether that changed anything.

        Args:
            container: which one has changed; None: any may have.

        Raises:
            Failure: 502 `peers`, the proxy goes on with the addresses before.
        """
        with self._lock:
            kept = load(self._site.folder)
            if kept is None or not any(self._concerns(one, container) for one in kept.table.peers):
                return False
            return self._use(kept)

    def mend(self) -> None:
        """Once, as soon as Docker answers: what changed before the agent was killed. For a thread of its own."""
        said = ""
        while True:
            try:
                self.follow()
            except (EngineError, Failure) as error:
                if str(error) != said:
                    said = str(error)
                    log.warning("the peers wait to be mended", extra={"fields": {"reason": said}})
                time.sleep(MEND_SECONDS)
            else:
                return

    def _concerns(self, peer: wire.Peer, container: str | None) -> bool:
        return container is None or (peer.container, peer.droplet) == (container, self._droplet)

    def _check(self, wanted: wire.Peers) -> None:
        for one in wanted.peers:
            if one.virtual not in self._network:
                message = f"{one.virtual} of {one.service} is not in {self._network}."
                raise Failure(422, "invalid", message, "Choose the addresses of services from there.")

    def _use(self, kept: Kept) -> bool:
        wanted = self._wanted(kept)
        if self._proxy.in_use() == wanted.digest:
            return False
        try:
            self._proxy.apply(wanted)
        except ProxyError as error:
            message = f"The proxy of peers did not take the table: {error}."
            raise Failure(
                502, "peers", message, "See `journalctl -u deployer-peers`; the one before is kept."
            ) from error
        return True

    def _wanted(self, kept: Kept) -> Configuration:
        here = running(self._engine.instances())
        return peers_conf.render(self._site, self._droplet, kept.table.peers, here, self._files(kept.identity))

    def _files(self, identity: str) -> Identity:
        folder = self._site.folder
        return Identity(folder / f"key-{identity}.pem", folder / f"certificate-{identity}.pem")

    def _keep_identity(self, secret: str) -> str:
        """Writes the environment's key and certificate, unless they are there; gives the word in their names."""
        made = keys.peer_identity(secret)
        word = hashlib.sha256(made.certificate).hexdigest()[:12]
        files = self._files(word)
        for path, content in ((files.key, made.key), (files.certificate, made.certificate)):
            if not path.exists():
                write_private(path, content)
        return word

    def _forget_identities(self, keep: str) -> None:
        for path in self._site.folder.glob("*.pem"):
            if path not in self._files(keep):
                path.unlink(missing_ok=True)


def peers_of(settings: Settings, engine: Containers) -> Peers:
    """The table of the droplet with these settings."""
    site = Site(settings.state / "peers", settings.run)
    return Peers(settings.droplet, site, engine, NginxProxy(site))


def names_of(settings: Settings) -> Callable[[str], dict[str, str]]:
    """What a new container of a service shall know, on the droplet with these settings."""
    return partial(names, settings.state / "peers")


def running(instances: Iterable[Instance]) -> dict[str, Target]:
    """Where the current containers listen, by name; one that was stopped on purpose listens nowhere."""
    found = (one for one in instances if one.role == "current" and (one.status not in _STOPPED or one.error))
    return {one.name: target for one in found if (target := _target(one))}


def _target(instance: Instance) -> Target | None:
    try:
        return Target(IPv4Address(instance.address), instance.port) if instance.port else None
    except AddressValueError:
        return None


def _check_replaced(before: Kept | None, wanted: wire.Peers) -> None:
    """Whether the caller has seen the table that it replaces; a repetition finds its own."""
    now = before.table if before else wire.PeerList()
    if wanted.replaces not in (None, now.digest) and wanted.peers != now.peers:
        raise Failure(409, "stale", "Another caller changed the table of peers.", "GET /peers, and decide again.")


def _reply(kept: Kept | None, *, applied: bool, changed: bool = False) -> wire.PeerTable:
    table = kept.table if kept else wire.PeerList()
    return wire.PeerTable(peers=table.peers, digest=table.digest, applied=applied, changed=changed)
