"""Tags of the account: marks on droplets that outlive a controller, and what is left of them."""

from __future__ import annotations

from fleet.cloud.digitalocean.api import Api
from fleet.errors import NotFound


class Tags:
    """The port `fleet.cloud.ports.Tags`."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def read_all(self) -> dict[str, int]:
        """All tags, and how many things carry each."""
        return {
            item["name"]: int((item.get("resources") or {}).get("count", 0))
            for item in self._api.pages(self._api.sdk.tags.list, "tags")
        }

    def add(self, tag: str, droplet_id: int) -> None:
        """Puts a tag on a droplet."""
        self._api.call(self._api.sdk.tags.create, "tag", body={"name": tag})
        self._api.do(self._api.sdk.tags.assign_resources, tag, body=_resources(droplet_id))

    def remove(self, tag: str, droplet_id: int) -> None:
        """Takes a tag off a droplet; absent is fine."""
        self._api.do(self._api.sdk.tags.unassign_resources, tag, body=_resources(droplet_id))

    def discard(self, tag: str) -> bool:
        """Deletes a tag that nothing carries; one that something carries stays, as deleting it would take it off."""
        try:
            found = self._api.call(self._api.sdk.tags.get, "tag", tag)
        except NotFound:
            return True
        if int(found["resources"].get("count", 0)):
            return False
        self._api.do(self._api.sdk.tags.delete, tag)
        return True


def _resources(droplet_id: int) -> dict[str, object]:
    return {"resources": [{"resource_id": str(droplet_id), "resource_type": "droplet"}]}
