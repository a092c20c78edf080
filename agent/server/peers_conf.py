"""The configuration of the second nginx, which carries the environment's tcp services: a pure function.

A service that runs here is reached directly, and offered to the other droplets of the environment; any other is fetched
from the droplet where it runs. Between droplets there is mutual TLS with one certificate, known to the environment
alone; the name asked for says which service is meant. Only typed values get in: numbers, addresses and words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final, NamedTuple

from agent import wire
from agent.keys import PEER_DOMAIN

IDLE: Final = "365d"
"""Nobody ends a connection that is idle; keep-alive finds those whose other end is gone."""


@dataclass(frozen=True)
class Site:
    """The paths and networks of this droplet."""

    folder: Path = Path("/var/lib/deployer/peers")
    run: Path = Path("/run/deployer")
    module: Path = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
    clients: tuple[str, ...] = ("127.0.0.0/8", "172.30.0.0/16", "198.18.0.0/15")
    """Who may use the services' addresses: this droplet and its containers."""

    @property
    def socket(self) -> Path:
        """Where the running nginx says which configuration it uses."""
        return self.run / "peers.sock"

    @property
    def pid(self) -> Path:
        """Where it writes its process id."""
        return self.run / "peers.pid"


class Target(NamedTuple):
    """Where a container listens."""

    address: IPv4Address
    port: int


class Identity(NamedTuple):
    """The files that prove that this droplet belongs to the environment."""

    key: Path
    certificate: Path


class Configuration(NamedTuple):
    """A configuration, and the word by which a running nginx says that it uses it."""

    text: str
    digest: str


def render(
    site: Site, droplet: str, peers: Sequence[wire.Peer], here: Mapping[str, Target], identity: Identity
) -> Configuration:
    """The whole configuration of a droplet.

    Args:
        site: its paths and networks.
        droplet: its name: the services of the table that name it run here.
        peers: the environment's table.
        here: where the containers of this droplet listen, by container; a service whose container is not among them
            is offered nowhere, so that a connection is refused at once.
        identity: key and certificate of the environment.
    """
    local = [(one, here[one.container]) for one in peers if one.droplet == droplet and one.container in here]
    remote = [one for one in peers if one.droplet != droplet]
    servers = [_direct(one, target, site) for one, target in local] + [_fetched(one, site) for one in remote]
    if local:
        servers.append(_ingress(local[0][0].address, local, identity))
    body = _TOP.format(module=site.module, pid=site.pid, idle=IDLE, tls=_tls(identity)) + "".join(servers)
    digest = hashlib.sha256(body.encode()).hexdigest()
    return Configuration(body + _END.format(socket=site.socket, digest=digest), digest)


def server_name(service: str) -> str:
    """The name by which one droplet asks another for a service; the environment's certificate covers all of them."""
    return f"{service}.{PEER_DOMAIN}"


def _direct(peer: wire.Peer, target: Target, site: Site) -> str:
    return _ENTRY.format(
        service=peer.service,
        listen=f"{peer.virtual}:{peer.port}",
        allow=_allow(site.clients),
        rest=f"        proxy_pass {target.address}:{target.port};\n",
    )


def _fetched(peer: wire.Peer, site: Site) -> str:
    rest = f"        proxy_pass {peer.address}:{wire.PEER_PORT};\n        proxy_ssl on;\n"
    rest += f"        proxy_ssl_name {server_name(peer.service)};\n"
    listen = f"{peer.virtual}:{peer.port}"
    return _ENTRY.format(service=peer.service, listen=listen, allow=_allow(site.clients), rest=rest)


def _ingress(address: IPv4Address, local: Sequence[tuple[wire.Peer, Target]], identity: Identity) -> str:
    names = "".join(f"        {server_name(peer.service)} {target.address}:{target.port};\n" for peer, target in local)
    return _INGRESS.format(
        names=names, listen=f"{address}:{wire.PEER_PORT}", key=identity.key, certificate=identity.certificate
    )


def _allow(networks: Sequence[str]) -> str:
    return "".join(f"        allow {network};\n" for network in networks)


def _tls(identity: Identity) -> str:
    lines = (
        f"certificate {identity.certificate}",
        f"certificate_key {identity.key}",
        f"trusted_certificate {identity.certificate}",
        "verify on",
        "server_name on",
        "protocols TLSv1.3",
    )
    return "".join(f"    proxy_ssl_{line};\n" for line in lines)


_TOP: Final = """\
# Made by the node agent from the table of peers; a change by hand is lost.
load_module {module};
user www-data;
worker_processes 2;
pid {pid};
error_log stderr warn;

events {{
    worker_connections 8192;
}}

stream {{
    tcp_nodelay on;
    map_hash_bucket_size 128;
    map_hash_max_size 4096;
    proxy_connect_timeout 5s;
    proxy_timeout {idle};
    proxy_half_close on;
    proxy_socket_keepalive on;
{tls}"""

_ENTRY: Final = """
    # {service}
    server {{
        listen {listen} so_keepalive=on;
{allow}        deny all;
{rest}    }}
"""

_INGRESS: Final = """
    # For the other droplets of the environment; nobody else has the certificate.
    map $ssl_server_name $container {{
        default "";
{names}    }}
    server {{
        listen {listen} ssl so_keepalive=on;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_client_certificate {certificate};
        ssl_verify_client on;
        ssl_protocols TLSv1.3;
        ssl_session_cache off;
        ssl_session_tickets off;
        ssl_handshake_timeout 5s;
        proxy_pass $container;
    }}
"""

_END: Final = """
    # Says which configuration is in use.
    server {{
        listen unix:{socket};
        return {digest};
    }}
}}
"""
