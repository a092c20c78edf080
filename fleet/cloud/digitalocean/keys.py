"""SSH keys of the account, for bakes."""

from __future__ import annotations

from fleet.cloud.digitalocean.api import Api


class Keys:
    """The port `fleet.cloud.ports.Keys`."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def ensure(self, name: str, public_key: str) -> int:
        """The key's id, added when it is new."""
        body = " ".join(public_key.split()[:2])
        for item in self._api.pages(self._api.sdk.ssh_keys.list, "ssh_keys"):
            if " ".join(item["public_key"].split()[:2]) == body:
                return int(item["id"])
        added = self._api.call(self._api.sdk.ssh_keys.create, "ssh_key", body={"name": name, "public_key": public_key})
        return int(added["id"])

    def remove_named(self, name: str) -> None:
        """Removes all keys of that exact name; absent is fine."""
        for item in list(self._api.pages(self._api.sdk.ssh_keys.list, "ssh_keys")):
            if item["name"] == name:
                self._api.do(self._api.sdk.ssh_keys.delete, item["id"])
