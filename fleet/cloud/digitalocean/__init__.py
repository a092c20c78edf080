"""DigitalOcean behind the ports of `fleet.cloud.ports`, over the vendor's SDK."""

from __future__ import annotations

from pathlib import Path

from fleet.cloud.digitalocean.account import Account
from fleet.cloud.digitalocean.api import Api
from fleet.cloud.digitalocean.droplets import Droplets
from fleet.cloud.digitalocean.firewalls import Firewalls
from fleet.cloud.digitalocean.keys import Keys
from fleet.cloud.digitalocean.snapshots import Snapshots
from fleet.cloud.digitalocean.tags import Tags


class DigitalOcean:
    """One team's account; making it makes no call."""

    def __init__(self, token: str, api_url: str = "https://api.digitalocean.com", ca_file: Path | None = None) -> None:
        api = Api(token, api_url, ca_file)
        self.account = Account(api)
        self.droplets = Droplets(api)
        self.firewalls = Firewalls(api)
        self.keys = Keys(api)
        self.snapshots = Snapshots(api)
        self.tags = Tags(api)


__all__ = ["DigitalOcean"]
