"""Droplet snapshots: one document, shown as an image (its id a number) and as a snapshot (its id a string)."""

from __future__ import annotations

from typing import Any

from sandbox.digitalocean.reply import now

JSON = dict[str, Any]

_SHARED = ("name", "created_at", "regions", "min_disk_size", "size_gigabytes")


def snapshot_document(droplet: JSON, id: int, name: str, size: int) -> JSON:
    """What is kept of a snapshot; `size` in bytes."""
    return {
        "id": id,
        "name": name,
        "type": "snapshot",
        "distribution": droplet["image"]["distribution"],
        "slug": None,
        "public": False,
        "regions": [droplet["region"]["slug"]],
        "created_at": now(),
        "min_disk_size": droplet["disk"],
        "size_gigabytes": round(size / 1e9, 2),
        "description": "",
        "tags": [],
        "status": "available",
        "error_message": "",
        "_droplet": droplet["id"],
    }


def as_droplet_snapshot(image: JSON) -> JSON:
    """The document as a droplet's list of snapshots shows it."""
    return {key: image[key] for key in ("id", *_SHARED, "type")}


def as_snapshot(image: JSON) -> JSON:
    """The document as `/v2/snapshots` shows it."""
    return {
        "id": str(image["id"]),
        **{key: image[key] for key in (*_SHARED, "tags")},
        "resource_id": str(image["_droplet"]),
        "resource_type": "droplet",
    }
