"""Two droplets of an environment as their second nginx sees them: each on loopback addresses of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from agent import keys, wire
from agent.server.peers import Peers
from agent.server.peers_conf import Site, server_name
from agent.server.peers_nginx import NginxProxy
from agent.server.ports import Instance
from tests.unit.agent.builders import TOKEN, release

PREFIX = f"127.{100 + os.getpid() % 100}.{os.getpid() // 100 % 200}"
"""Loopback addresses that no other test process uses."""
LOOPBACK = IPv4Network("127.0.0.0/8")
SECRET = keys.peer_secret(TOKEN, "demo/prod")
REDIS, QUEUE = "9fe5e6_demo_prod_redis", "9fe5e6_demo_prod_queue"


class Backend:
    """A container of a tcp service: greets with its name, then gives back what it is sent; says `bye` at the end."""

    def __init__(self, name: str) -> None:
        self.name = name.encode()
        self.visits = 0
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=32)
        self.port = int(self._socket.getsockname()[1])
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it, with all its connections."""
        for one in (self._socket, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._thread.join(5)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                opened, _ = self._socket.accept()
                self.visits += 1
                self._open.append(opened)
                threading.Thread(target=self._echo, args=(opened,), daemon=True).start()

    def _echo(self, opened: socket.socket) -> None:
        with contextlib.suppress(OSError):
            opened.sendall(self.name + b"\n")
            while chunk := opened.recv(4096):
                opened.sendall(chunk)
            opened.sendall(b"bye\n")
            opened.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def backend(name: str) -> Iterator[Backend]:
    """A running one."""
    made = Backend(name)
    try:
        yield made
    finally:
        made.close()


class Containers:
    """What runs on a droplet: containers by name, each at a backend."""

    def __init__(self) -> None:
        self.at: dict[str, Backend] = {}

    def instances(self) -> tuple[Instance, ...]:
        """All of them, current."""
        return tuple(_instance(name, backend.port) for name, backend in self.at.items())


class Droplet:
    """A droplet's table and its nginx. `address` is the one inside the VPC; `reloads` counts what systemd was asked."""

    def __init__(self, number: int, folder: Path) -> None:
        self.name, self.address = f"demo-prod-00000{number}", IPv4Address(f"{PREFIX}.{number}")
        self.number, self.reloads, self.deaf = number, 0, False
        self.site = Site(folder=folder / "peers", run=folder)
        self.containers = Containers()
        self.peers = Peers(self.name, self.site, self.containers, NginxProxy(self.site, self._reload), LOOPBACK)
        self.log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def virtual(self, number: int = 1) -> IPv4Address:
        """The address of a service on this droplet; elsewhere than on the other, for both are one machine."""
        return IPv4Address(f"{PREFIX}.{100 + 10 * self.number + number}")

    def connect(self, number: int = 1) -> Connection:
        """A client's connection to a service."""
        return Connection(socket.create_connection((str(self.virtual(number)), 6379), 5))

    def greeting(self, number: int = 1) -> str:
        """Who answers a new connection to a service."""
        with contextlib.closing(self.connect(number)) as connection:
            return connection.greeting

    def ask(self, service: str | None, identity: keys.Identity | None, folder: Path) -> bytes:
        """All that the droplet's VPC side gives to who asks for a service and shows this certificate, or none."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(cadata=keys.peer_identity(SECRET).certificate.decode())
        if identity:
            (folder / "client.pem").write_bytes(identity.key + identity.certificate)
            context.load_cert_chain(folder / "client.pem")
        name = server_name(service) if service else None
        plain = socket.create_connection((str(self.address), wire.PEER_PORT), 5)
        try:
            with context.wrap_socket(plain, server_hostname=name) as asked:
                return asked.recv(100)
        except (ssl.SSLError, ConnectionError):
            return b""  # it hung up, during the handshake or after it

    def stop(self) -> None:
        """End nginx, with all that it forwards."""
        if self._process:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def _reload(self) -> None:
        """What the unit does: start it, or have it read its configuration again."""
        self.reloads += 1
        if self.deaf:
            return
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGHUP)
            return
        self.site.socket.unlink(missing_ok=True)
        command = ["nginx", "-e", "stderr", "-c", str(self.site.folder / "nginx.conf"), "-g", "daemon off;"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stderr=log)


class Connection:
    """An open connection of a client, read line by line."""

    def __init__(self, opened: socket.socket) -> None:
        self.socket = opened
        self._file = opened.makefile("rb")
        self.greeting = self.line()

    def line(self) -> str:
        """The next line; empty at the end."""
        try:
            return self._file.readline().decode().strip()
        except ConnectionError:
            return ""

    def say(self, text: str) -> str:
        """Send a line, and give the one that comes back."""
        self.socket.sendall(text.encode() + b"\n")
        return self.line()

    def close(self) -> None:
        """End it."""
        self._file.close()
        self.socket.close()


class Environment:
    """Two droplets, `near` and `far`, and the table that both are given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.near, self.far = (Droplet(number, folder / str(number)) for number in (1, 2))
        for one in (self.near, self.far):
            one.site.folder.mkdir(parents=True)

    def table(self, droplet: Droplet, *places: tuple[str, Droplet], **changes: object) -> wire.Peers:
        """The table for a droplet: where each container runs."""
        peers = [
            {
                "service": name.rpartition("_")[2],
                "container": name,
                "virtual": str(droplet.virtual(number)),
                "port": 6379,
                "droplet": where.name,
                "address": str(where.address),
            }
            for number, (name, where) in enumerate(places, 1)
        ]
        ordered = sorted(peers, key=lambda one: str(one["service"]))
        return wire.Peers.model_validate({"peers": ordered, "secret": SECRET, **changes})

    def share(self, *places: tuple[str, Droplet]) -> list[wire.PeerTable]:
        """Give it to both."""
        return [one.peers.replace(self.table(one, *places)) for one in (self.near, self.far)]

    def close(self) -> None:
        """End both."""
        self.near.stop()
        self.far.stop()


@contextlib.contextmanager
def environment() -> Iterator[Environment]:
    """Two droplets with an nginx each, once they have a table."""
    folder = Path(tempfile.mkdtemp(prefix="agent-peers-"))
    folder.chmod(0o755)
    made = Environment(folder)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(folder)


def _instance(name: str, port: int) -> Instance:
    return Instance(
        id=name,
        name=name,
        role="current",
        release=release(1),
        image="sha256:" + "0" * 64,
        status="running",
        address="127.0.0.1",
        port=port,
        hosts=(),
        health=wire.Health(),
        drain_seconds=1,
        memory_mib=16,
    )
