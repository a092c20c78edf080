"""What the token may see of the account."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fleet import naming
from fleet.cloud.digitalocean.api import Api
from fleet.errors import DeployerError, Refused
from fleet.state import Size

NEVER_NEEDED: Final = {
    "databases": ("databases", "list_clusters", "databases"),
    "Kubernetes clusters": ("kubernetes", "list_clusters", "kubernetes_clusters"),
    "domains": ("domains", "list", "domains"),
    "load balancers": ("load_balancers", "list", "load_balancers"),
    "the account's balance": ("balance", "get", "account_balance"),
}
"""What is only read, and only to see whether the token may: the SDK's names of the call, and a key of its answer."""


class Account:
    """The port `fleet.cloud.ports.Account`."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def read_owner(self) -> str:
        """Six hex digits that stand for the team."""
        account = self._api.call(self._api.sdk.account.get, "account")
        team = account.get("team") or {}
        return naming.owner(team.get("uuid") or account["uuid"])

    def read_missing(self) -> tuple[str, ...]:
        """The scopes to read that the token lacks: each is tried by one call."""
        sdk = self._api.sdk
        reads = {
            "droplet": (sdk.droplets.list, "droplets"),
            "snapshot": (sdk.snapshots.list, "snapshots"),
            "image": (sdk.images.list, "images"),
            "firewall": (sdk.firewalls.list, "firewalls"),
            "tag": (sdk.tags.list, "tags"),
            "ssh_key": (sdk.ssh_keys.list, "ssh_keys"),
            "sizes": (sdk.sizes.list, "sizes"),
            "regions": (sdk.regions.list, "regions"),
        }
        return tuple(f"{scope}:read" for scope, (method, key) in reads.items() if not self._may(method, key))

    def _may(self, method: Callable[..., Any], key: str) -> bool:
        try:
            self._api.call(method, key, per_page=1)
        except Refused as error:
            if error.lacks_scope:
                return False
            raise
        return True

    def read_sizes(self) -> list[Size]:
        """All sizes."""
        return [
            Size(
                slug=item["slug"],
                memory_mib=item["memory"],
                disk_gb=item["disk"],
                regions=tuple(item["regions"]),
                available=bool(item["available"]),
                dollars=float(item.get("price_monthly") or 0),
            )
            for item in self._api.pages(self._api.sdk.sizes.list, "sizes")
        ]

    def read_regions(self) -> dict[str, bool]:
        """Region slugs, and whether droplets can be made there."""
        return {
            item["slug"]: bool(item["available"]) for item in self._api.pages(self._api.sdk.regions.list, "regions")
        }

    def read_excess(self) -> tuple[str, ...]:
        """What the token may read although Deployer never needs it."""
        return tuple(what for what, call in NEVER_NEEDED.items() if self._answers(*call))

    def _answers(self, noun: str, verb: str, key: str) -> bool:
        """Whether a call is answered; one that is refused is not, and what else it says is not about the token."""
        try:
            self._api.call(getattr(getattr(self._api.sdk, noun), verb), key)
        except DeployerError:
            return False
        return True
