"""The sandbox's share of the loopback and private addresses, so that several sandboxes live on one machine."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from docker import DockerClient
from docker.errors import NotFound
from docker.models.networks import Network
from docker.types import IPAMConfig, IPAMPool

from sandbox.errors import SandboxError

BLOCKS = 16
OWNER = "deployer.sandbox"
_ADDRESSES = range(10, 250)  # of the last number; the others belong to the gateway and the broadcast


@dataclass(frozen=True)
class Block:
    """One sandbox's addresses: the VPC `10.114.{16n}.0/20` and the public ones from `127.77.{16n}.0` on."""

    number: int

    @property
    def name(self) -> str:
        """The name of the sandbox's Docker network, and the beginning of its other names."""
        return f"deployer-sandbox-{self.number}"

    @property
    def vpc(self) -> str:
        """The private range."""
        return f"10.114.{16 * self.number}.0/20"

    @property
    def gateway(self) -> str:
        """The host, seen from a machine."""
        return f"10.114.{16 * self.number}.1"

    def addresses(self, taken: Iterable[str]) -> tuple[str, str]:
        """A free pair, public and private; both end alike. Raises SandboxError when all 3,840 are in use."""
        used = set(taken)
        for third in range(16 * self.number, 16 * self.number + 16):
            for last in _ADDRESSES:
                if f"127.77.{third}.{last}" not in used:
                    return f"127.77.{third}.{last}", f"10.114.{third}.{last}"
        raise SandboxError("No address is left.", "Destroy droplets.")


def choose_block(docker: DockerClient) -> Block:
    """A block that no other sandbox and no other network of this machine uses."""
    networks = docker.networks.list()
    ranges = [ipaddress.ip_network(text, strict=False) for network in networks for text in _subnets(network)]
    for number in range(BLOCKS):
        wanted = ipaddress.ip_network(Block(number).vpc)
        if not any(wanted.overlaps(taken) for taken in ranges if taken.version == 4):
            return Block(number)
    raise SandboxError("Sixteen sandboxes use all of 10.114.0.0/16.", "End one: python -m sandbox clean --state …")


def ensure_network(docker: DockerClient, block: Block) -> Network:
    """The VPC's Docker network."""
    try:
        return docker.networks.get(block.name)
    except NotFound:
        pool = IPAMConfig(pool_configs=[IPAMPool(subnet=block.vpc, gateway=block.gateway)])
        return docker.networks.create(block.name, ipam=pool, labels={OWNER: block.name})


def remove_network(docker: DockerClient, block: Block) -> None:
    """Removes the network; absent is fine."""
    try:
        docker.networks.get(block.name).remove()
    except NotFound:
        return


def _subnets(network: Network) -> list[str]:
    pools = (network.attrs.get("IPAM") or {}).get("Config") or []
    return [pool["Subnet"] for pool in pools if pool.get("Subnet")]
