"""Light stand-ins of a whole world on loopback, in one process: agents, both clouds' lists, and an edge.

    python -m tests.bench.standins NUMBER PORT FOLDER

They speak real TLS with the real certificates, and answer with what was made once: a bench measures whoever asks.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import trustme

import agent
from agent import keys, wire
from fleet import naming
from fleet.spec import EnvironmentSpec

TOKEN: Final = "dop_v1_made_up_for_the_bench"
ZONE: Final = "bench.localhost"
SPEC: Final = EnvironmentSpec("bench", "prod", "fra1", "s-1vcpu-1gb", ZONE)
SERVICES: Final = 20
"""Each droplet has three of them; each has a public name."""
OWNER: Final = "9fe5e6"
RELEASE: Final = "20261124t000001-abcdef"
NOW: Final = datetime.now(UTC)
Answer = Callable[[str, str], bytes]
"""The body for a path and a host."""


def names(number: int) -> list[str]:
    """The droplets."""
    return [f"bench-prod-{one:06x}" for one in range(number)]


def address(number: int) -> str:
    """Where a droplet's agent listens."""
    return f"127.91.{number // 250}.{number % 250 + 1}"


def services(number: int) -> list[int]:
    """What is on a droplet."""
    return sorted({(3 * number + offset) % SERVICES for offset in range(3)})


def host(service: int) -> str:
    """A service's public name."""
    return f"s{service}.{ZONE}"


def node(number: int, droplet: str) -> bytes:
    """What a busy droplet that is well says."""
    good = wire.Verdict(verdict="healthy", reason="it answers", checked_at=NOW)
    looks = tuple(wire.Look(seconds_ago=10.0 * one, saw="healthy") for one in range(60))
    containers = tuple(
        wire.Container(
            name=f"{OWNER}_bench_prod_s{service}",
            role="current",
            release=RELEASE,
            image="sha256:" + "ab" * 32,
            status="running",
            started_at=NOW,
            restarts=0,
            hosts=(host(service),),
            port=8080,
            verdict=good,
            watch=wire.Watch(looks=looks, restarts=0, held=False, resting=False),
        )
        for service in services(number)
    )
    disk = wire.Disk(total=25 << 30, free=20 << 30)
    return (
        wire.Node(
            droplet=droplet,
            version=agent.__version__,
            api=wire.API_VERSION,
            now=NOW,
            booted_at=NOW - timedelta(days=3),
            docker=good,
            nginx=good,
            disk=disk,
            memory=disk,
            load=(0.1, 0.1, 0.1),
            agent_rss=64 << 20,
            containers=containers,
        )
        .model_dump_json()
        .encode()
    )


def droplets(number: int) -> bytes:
    """DigitalOcean's list."""
    found = [
        {
            "id": 1000 + one,
            "name": name,
            "status": "active",
            "region": {"slug": "fra1"},
            "size_slug": "s-1vcpu-1gb",
            "memory": 1024,
            "image": {"id": 42},
            "tags": [naming.TAG, naming.environment_tag(SPEC)],
            "networks": {"v4": [{"ip_address": address(one), "type": "public"}], "v6": []},
            "created_at": "2026-11-20T00:00:00Z",
        }
        for one, name in enumerate(names(number))
    ]
    return json.dumps({"droplets": found, "links": {}, "meta": {"total": number}}).encode()


def records(number: int) -> bytes:
    """Cloudflare's list."""
    found = [
        {
            "id": f"{one:08x}{service:08x}",
            "name": host(service),
            "type": "A",
            "content": address(one),
            "proxied": True,
            "proxiable": True,
            "ttl": 1,
            "comment": naming.comment(OWNER, SPEC, f"s{service}", name),
        }
        for one, name in enumerate(names(number))
        for service in services(one)
    ]
    return _listed(found)


def _listed(found: list[dict[str, Any]]) -> bytes:
    info = {"page": 1, "per_page": 1000, "count": len(found), "total_count": len(found), "total_pages": 1}
    return json.dumps({"success": True, "errors": [], "messages": [], "result": found, "result_info": info}).encode()


def clouds(number: int) -> Answer:
    """Both APIs behind one address."""
    listed, zone = records(number), _listed([{"id": "0" * 32, "name": ZONE}])
    fleet = droplets(number)

    def answer(path: str, _host: str) -> bytes:
        where = urlsplit(path).path
        if where == "/v2/droplets":
            return fleet
        return listed if where.endswith("/dns_records") else zone

    return answer


def serving(answer: Answer) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """As little of HTTP/1.1 as clients need: GET without a body, connections that stay."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode("latin-1").split("\r\n")
                named = next((line[5:].strip() for line in lines if line.lower().startswith("host:")), "")
                body = answer(first.split(" ")[1], named)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
                writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()

    return serve


def _agent(droplet: str, folder: Path) -> ssl.SSLContext:
    identity = keys.identity(keys.droplet_secret(TOKEN, droplet), droplet)
    path = folder / "agent.pem"
    path.write_bytes(identity.key + identity.certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def _cloud(folder: Path) -> ssl.SSLContext:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


async def main(number: int, port: int, folder: Path) -> None:
    """Serves until it is ended; says `ready` once it does."""
    for one, name in enumerate(names(number)):
        body = node(one, name)
        answer = serving(lambda _path, _host, body=body: body)  # type: ignore[misc]  # bound now
        await asyncio.start_server(answer, address(one), wire.PORT, ssl=_agent(name, folder), backlog=128)
    await asyncio.start_server(serving(clouds(number)), "127.0.0.1", port, ssl=_cloud(folder))
    await asyncio.start_server(serving(lambda _path, _host: b"hello"), "127.0.0.1", port + 1)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
