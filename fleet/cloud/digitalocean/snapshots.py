"""Droplet snapshots."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fleet.cloud.digitalocean.api import Api
from fleet.errors import NotFound
from fleet.state import Snapshot


class Snapshots:
    """The port `fleet.cloud.ports.Snapshots`."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def read_all(self) -> list[Snapshot]:
        """All droplet snapshots."""
        found = list(self._api.pages(self._api.sdk.snapshots.list, "snapshots", resource_type="droplet"))
        # The same things as images: only there they have a description.
        images = self._api.pages(self._api.sdk.images.list, "images", private=True) if found else ()
        descriptions = {str(item["id"]): item.get("description") or "" for item in images}
        return [_snapshot(item, descriptions) for item in found]

    def exists(self, snapshot_id: str) -> bool:
        """Whether a snapshot of this id is there."""
        try:
            self._api.call(self._api.sdk.snapshots.get, "snapshot", snapshot_id)
        except NotFound:
            return False
        return True

    def describe(self, snapshot_id: str, description: str) -> None:
        """Writes the description."""
        self._api.call(self._api.sdk.images.update, "image", int(snapshot_id), body={"description": description})

    def tag(self, snapshot_id: str, tags: frozenset[str]) -> None:
        """Adds tags."""
        resource = {"resource_id": snapshot_id, "resource_type": "image"}
        for tag in sorted(tags):
            self._api.call(self._api.sdk.tags.create, "tag", body={"name": tag})
            self._api.do(self._api.sdk.tags.assign_resources, tag, body={"resources": [resource]})

    def remove(self, snapshot_id: str) -> None:
        """Deletes one snapshot; absent is fine."""
        self._api.do(self._api.sdk.snapshots.delete, snapshot_id)


def _snapshot(item: dict[str, Any], descriptions: dict[str, str]) -> Snapshot:
    return Snapshot(
        id=str(item["id"]),
        name=item["name"],
        regions=tuple(item["regions"]),
        min_disk_gb=item["min_disk_size"],
        size_gigabytes=float(item["size_gigabytes"]),
        created_at=datetime.fromisoformat(item["created_at"]),
        tags=frozenset(item.get("tags") or ()),
        description=descriptions.get(str(item["id"]), ""),
        droplet=int(item["resource_id"]) if str(item.get("resource_id") or "").isdigit() else None,
    )
