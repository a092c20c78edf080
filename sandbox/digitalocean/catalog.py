"""What DigitalOcean offers: regions, sizes, and the images of distributions."""

from __future__ import annotations

from typing import Any

JSON = dict[str, Any]

DEBIAN = "debian-12-x64"
_DEBIAN_ID = 129211873
_FEATURES = ["backups", "ipv6", "metadata", "install_agent", "storage", "image_transfer"]
_REGIONS = {
    "nyc1": "New York 1", "nyc3": "New York 3", "ams3": "Amsterdam 3", "fra1": "Frankfurt 1", "lon1": "London 1",
    "sgp1": "Singapore 1", "tor1": "Toronto 1", "blr1": "Bangalore 1", "sfo3": "San Francisco 3", "syd1": "Sydney 1",
}  # fmt: skip
_SIZES = (  # slug, MiB, CPUs, GB of disk, TB of transfer, dollars a month, description
    ("s-1vcpu-512mb-10gb", 512, 1, 10, 0.5, 4.0, "Basic"),
    ("s-1vcpu-1gb", 1024, 1, 25, 1.0, 6.0, "Basic"),
    ("s-1vcpu-2gb", 2048, 1, 50, 2.0, 12.0, "Basic"),
    ("s-2vcpu-2gb", 2048, 2, 60, 3.0, 18.0, "Basic"),
    ("s-2vcpu-4gb", 4096, 2, 80, 4.0, 24.0, "Basic"),
    ("s-4vcpu-8gb", 8192, 4, 160, 5.0, 48.0, "Basic"),
    ("c-2", 4096, 2, 25, 4.0, 42.0, "CPU-Optimized"),
    ("g-2vcpu-8gb", 8192, 2, 25, 4.0, 63.0, "General Purpose"),
)
_ONLY_IN = {"s-1vcpu-512mb-10gb": ("nyc1", "ams3", "fra1", "sfo3", "sgp1", "syd1")}
_HOURS = 672  # after so many a month is paid


def sizes() -> list[JSON]:
    """All sizes, each with the regions that have it."""
    return [_size(*row) for row in _SIZES]


def size(slug: Any) -> JSON | None:
    """A size by its slug."""
    return next((item for item in sizes() if item["slug"] == slug), None)


def regions() -> list[JSON]:
    """All regions, each with the slugs of its sizes."""
    return [_region(slug, name) for slug, name in _REGIONS.items()]


def region(slug: Any) -> JSON | None:
    """A region by its slug."""
    return next((item for item in regions() if item["slug"] == slug), None)


def distributions() -> list[JSON]:
    """The public images."""
    return [
        {
            "id": _DEBIAN_ID,
            "name": "12 x64",
            "type": "base",
            "distribution": "Debian",
            "slug": DEBIAN,
            "public": True,
            "regions": list(_REGIONS),
            "created_at": "2023-06-13T15:37:09Z",
            "min_disk_size": 7,
            "size_gigabytes": 0.34,
            "description": "Debian 12 x64",
            "tags": [],
            "status": "available",
            "error_message": "",
        }
    ]


def _size(slug: str, memory: int, cpus: int, disk: int, transfer: float, dollars: float, description: str) -> JSON:
    return {
        "slug": slug,
        "memory": memory,
        "vcpus": cpus,
        "disk": disk,
        "transfer": transfer,
        "price_monthly": dollars,
        "price_hourly": round(dollars / _HOURS, 5),
        "regions": list(_ONLY_IN.get(slug, _REGIONS)),
        "available": True,
        "description": description,
        "disk_info": [{"type": "local", "size": {"amount": disk, "unit": "gib"}}],
        "networking_throughput": 2000,
    }


def _region(slug: str, name: str) -> JSON:
    offered = [row[0] for row in _SIZES if slug in _ONLY_IN.get(row[0], _REGIONS)]
    return {"name": name, "slug": slug, "features": _FEATURES, "available": True, "sizes": offered}
