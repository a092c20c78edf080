"""What the agent knows when it starts: files of the droplet, and the few switches of /etc/deployer/agent.env."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agent import wire

MIB: Final = 1 << 20
CONTAINER_RANGES: Final = tuple(map(ipaddress.ip_network, ("172.17.0.0/16", "172.30.0.0/16")))
"""Containers of the droplet itself are no neighbours: nothing is open to them without a key."""
_PRIVATE: Final = "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class NotReady(Exception):
    """The droplet has no name or no secret yet; the message says which file is missing."""


@dataclass(frozen=True)
class Limits:
    """How much one call, and all of them together, may take."""

    json_bytes: int = MIB
    archive_bytes: int = 8192 * MIB
    bundle_bytes: int = 64 * MIB
    """Of another version of the agent, with all that it needs."""
    spare_bytes: int = 256 * MIB
    """Free bytes of the disk that an archive must leave."""
    concurrency: int = 32
    connections: int = 128
    """Open connections at once, with and without a request."""
    handshakes: int = 128
    """Connections at once that are at their TLS handshake, beside those that are open."""
    head_seconds: float = 10.0
    """How long a connection may take to bring a whole request head; nobody has shown a key before that."""
    lock_seconds: float = 30.0
    """How long a changing call waits for another one on the same service."""
    wrong_keys: int = 8
    """Wrong keys an address may show within `wrong_key_seconds` before it is refused."""
    wrong_key_seconds: float = 60.0
    wrong_key_pause: float = 0.25
    """Seconds the first wrong key waits for its answer; each further one waits twice as long, 2 s at most."""


@dataclass(frozen=True)
class Settings:
    """Paths, identity and limits; `secret` is the boot secret until the droplet is enrolled."""

    droplet: str
    secret: str = field(repr=False)
    enrolled: bool
    former: str = field(default="", repr=False)
    """The secret before, whose API key is good as well while a turn is not confirmed; empty: there is none."""
    sealing: str = field(default="", repr=False)
    """What containers' secrets are sealed under, once the key was turned; see `sealed_under`."""
    etc: Path = Path("/etc/deployer")
    state: Path = Path("/var/lib/deployer")
    run: Path = Path("/run/deployer")
    home: Path = Path("/opt/deployer")
    """What leads to the folder of the version that runs."""
    docker_socket: Path = Path("/var/run/docker.sock")
    address: str = "0.0.0.0"  # noqa: S104 - the firewall says who may connect, and the key who may speak
    port: int = wire.PORT
    require_auth_always: bool = True
    vpc_ranges: tuple[Network, ...] = ()
    limits: Limits = Limits()
    seal_command: tuple[str, ...] = ("systemctl", "start", "deployer-seal.service")
    """What makes the system outside the agent's reach ready for a snapshot; waited for."""
    examine_command: tuple[str, ...] = ("systemctl", "start", "deployer-examine.service")
    """What examines the system outside the agent's reach: reads and removes `examine.json`, writes `examined.json`."""
    upgrade_command: tuple[str, ...] = ("systemctl", "start", "--no-block", "deployer-upgrade.service")
    """What puts a version that was received in place of this one; it goes on by itself."""

    drill_command: tuple[str, ...] = ("systemctl", "start", "deployer-drill.service")
    """What carries a drill out and undoes it, outside the agent: reads `drill.json`, writes `drilled.json`."""

    @property
    def secret_file(self) -> Path:
        """Where the droplet's secret K is kept."""
        return self.state / "secret"

    @property
    def former_file(self) -> Path:
        """Where the secret before is kept while a turn is not confirmed."""
        return self.state / "secret.former"

    @property
    def sealing_file(self) -> Path:
        """Where the droplet's first secret is kept once it has another."""
        return self.state / "sealing"

    @property
    def sealed_under(self) -> str:
        """What is sealed on the disk is sealed under this: the droplet's first secret, however often it was turned."""
        return self.sealing or self.secret

    @property
    def boot_file(self) -> Path:
        """Where user data put the boot secret."""
        return self.etc / "boot.key"

    @property
    def certificate(self) -> Path:
        """What nginx shows the edge."""
        return self.state / "tls" / "certificate.pem"

    @property
    def spool(self) -> Path:
        """Where archives wait; emptied at every start."""
        return self.state / "spool"

    @property
    def uploads(self) -> Path:
        """Where uploads are until they are whole and used."""
        return self.state / "uploads"


def load(etc: Path = Path("/etc/deployer"), state: Path = Path("/var/lib/deployer")) -> Settings:
    """Read the droplet's files and switches. The environment goes before agent.env.

    Raises:
        NotReady: there is no droplet name, or no secret.
        ValueError: a switch has a value that means nothing.
    """
    switches = {**_parse(etc / "agent.env"), **os.environ}
    secret, boot = _read(state / "secret"), _read(etc / "boot.key")
    former, droplet = _read(state / "secret.former"), _read(etc / "droplet")
    if not droplet:
        raise NotReady(f"{etc / 'droplet'} does not name this droplet; cloud-init writes it at the first boot.")
    if not secret and not boot:
        raise NotReady(f"Neither {state / 'secret'} nor {etc / 'boot.key'} holds a secret.")
    return Settings(
        droplet=droplet,
        secret=secret or boot,
        enrolled=bool(secret),
        former="" if former == secret else former,
        sealing=_read(state / "sealing"),
        etc=etc,
        state=state,
        require_auth_always=_flag(switches, "REQUIRE_AUTH_ALWAYS", default=True),
        vpc_ranges=ranges(switches.get("VPC_RANGES", _PRIVATE)),
    )


def ranges(text: str) -> tuple[Network, ...]:
    """Networks from a comma-separated list; raises ValueError for anything that is none."""
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


def _read(path: Path) -> str:
    return path.read_text().strip() if path.exists() else ""


def _parse(path: Path) -> dict[str, str]:
    pairs = (line.split("=", 1) for line in _read(path).splitlines() if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip().strip("\"'") for name, value in pairs}


def _flag(switches: Mapping[str, str], name: str, *, default: bool) -> bool:
    value = switches.get(name, "").lower()
    if value in {"", "1", "true", "yes", "on"}:
        return True if value else default
    if value in {"0", "false", "no", "off"}:
        return False
    raise ValueError(f"{name}={value} means nothing; set it to true or false in /etc/deployer/agent.env.")
