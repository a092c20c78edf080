"""What the token may see of the account."""

from __future__ import annotations

from fleet import naming
from fleet.cloud.digitalocean.api import Api
from fleet.state import Size


class Account:
    """The port `fleet.cloud.ports.Account`."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def read_owner(self) -> str:
        """Six hex digits that stand for the team."""
        account = self._api.call(self._api.sdk.account.get, "account")
        team = account.get("team") or {}
        return naming.owner(team.get("uuid") or account["uuid"])

    def read_sizes(self) -> list[Size]:
        """All sizes."""
        return [
            Size(item["slug"], item["memory"], item["disk"], tuple(item["regions"]), bool(item["available"]))
            for item in self._api.pages(self._api.sdk.sizes.list, "sizes")
        ]

    def read_regions(self) -> dict[str, bool]:
        """Region slugs, and whether droplets can be made there."""
        return {
            item["slug"]: bool(item["available"]) for item in self._api.pages(self._api.sdk.regions.list, "regions")
        }
