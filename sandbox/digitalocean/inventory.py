"""The account's things as documents, and the changes that take time; the routes ask this and nothing below it."""

from __future__ import annotations

import uuid
from typing import Any

from sandbox.digitalocean import catalog
from sandbox.digitalocean.errors import not_found, unprocessable
from sandbox.digitalocean.reply import now
from sandbox.store import Store

JSON = dict[str, Any]

DROPLET, ACTION, SNAPSHOT, KEY = "do_droplet", "do_action", "do_snapshot", "do_key"
TAG, FIREWALL, VPC, ACCOUNT, LEAVING = "do_tag", "do_firewall", "do_vpc", "do_account", "do_leaving"
_FIRST_ID = {DROPLET: 400_000_000, ACTION: 2_000_000_000, SNAPSHOT: 200_000_000, KEY: 40_000_000}
PENDING = "Droplet already has a pending event."


class Inventory:
    """Reads and writes documents of the account; calls are short and never wait."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def new_id(self, kind: str) -> int:
        """A number of the size that DigitalOcean's have."""
        return _FIRST_ID[kind] + self.store.next_id(kind)

    def droplet(self, id: int | str) -> JSON:
        """A droplet, or 404."""
        return self._one(DROPLET, id)

    def droplet_or_none(self, id: int) -> JSON | None:
        """A droplet, or None when it has been destroyed meanwhile."""
        return self.store.get(DROPLET, id)

    def addresses(self) -> set[str]:
        """The public addresses in use: those of droplets, and of machines that are still there after their droplet."""
        return {item["_public"] for kind in (DROPLET, LEAVING) for item in self.store.all(kind) if "_public" in item}

    def droplets(self, *, tag: str | None = None, name: str | None = None) -> list[JSON]:
        """Droplets, those of a tag or of a name where one is given; the newest first."""
        found = reversed(self.store.all(DROPLET))
        return [
            item
            for item in found
            if (tag is None or _has_tag(item, tag)) and (name is None or item["name"].lower() == name.lower())
        ]

    def snapshot(self, id: int | str) -> JSON:
        """A droplet snapshot, as an image document, or 404."""
        return self._one(SNAPSHOT, id)

    def image(self, reference: Any) -> JSON:
        """An image by its number or its slug, or 404."""
        for item in [*catalog.distributions(), *self.store.all(SNAPSHOT)]:
            if str(reference) in (str(item["id"]), item["slug"]):
                return item
        raise not_found()

    def change(self, kind: str, id: int | str, **fields: Any) -> JSON | None:
        """Writes fields of a document that still exists; None when it is gone."""
        document = self.store.get(kind, id)
        if document is None:
            return None
        document.update(fields)
        self.store.put(kind, id, document)
        return document

    def start_action(self, droplet: JSON, type: str, **extra: Any) -> JSON:
        """A new action in progress that locks the droplet; 422 while another one is pending."""
        if droplet.get("_pending"):
            raise unprocessable(PENDING)
        action = {
            "id": self.new_id(ACTION),
            "status": "in-progress",
            "type": type,
            "started_at": now(),
            "completed_at": None,
            "resource_id": droplet["id"],
            "resource_type": "droplet",
            "region": droplet["region"],
            "region_slug": droplet["region"]["slug"],
            **extra,
        }
        self.store.put(ACTION, action["id"], action)
        self.change(DROPLET, droplet["id"], _pending=action["id"], locked=True)
        return action

    def end_action(self, action: JSON, status: str) -> None:
        """Completes an action, or lets it fail, and unlocks the droplet."""
        self.change(ACTION, action["id"], status=status, completed_at=now())
        self.change(DROPLET, action["resource_id"], _pending=None, locked=False)

    def ensure_tag(self, name: str) -> JSON:
        """A tag, made when it is new; names differ by more than capitals."""
        document = self.store.get(TAG, name.lower())
        if document is None:
            document = {"name": name}
            self.store.put(TAG, name.lower(), document)
        return document

    def default_vpc(self, region: str) -> JSON:
        """The VPC of a region that droplets get when none is named; made on first use."""
        for vpc in self.store.all(VPC):
            if vpc["region"] == region and vpc["default"]:
                return vpc
        return self.new_vpc(f"default-{region}", region, "", default=True)

    def new_vpc(self, name: str, region: str, description: str, *, default: bool, ip_range: str | None = None) -> JSON:
        """Stores a VPC. All of them share one network in the sandbox, whatever range is asked for."""
        id = str(uuid.uuid4())
        vpc = {
            "id": id,
            "urn": f"do:vpc:{id}",
            "name": name,
            "description": description,
            "region": region,
            "ip_range": ip_range or self.ip_range(),
            "created_at": now(),
            "default": default,
        }
        self.store.put(VPC, id, vpc)
        return vpc

    def ip_range(self) -> str:
        """The private range of this sandbox."""
        document = self.store.get(ACCOUNT, "network")
        return str(document["range"]) if document else "10.114.0.0/20"

    def _one(self, kind: str, id: int | str) -> JSON:
        document = self.store.get(kind, id)
        if document is None:
            raise not_found()
        return document


def _has_tag(document: JSON, tag: str) -> bool:
    return tag.lower() in (name.lower() for name in document["tags"])
