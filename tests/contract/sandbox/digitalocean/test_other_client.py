"""The API as `python-digitalocean` sees it, a client by other people."""

from __future__ import annotations

import digitalocean  # type: ignore[import-untyped]  # it has no types
import pytest

from tests.contract.sandbox.cloudflare.serving import until
from tests.contract.sandbox.digitalocean.conftest import Droplets


def test_it_reads_the_account_and_the_catalogue(manager: digitalocean.Manager) -> None:
    assert manager.get_account().status == "active"
    assert "nyc3" in [region.slug for region in manager.get_all_regions()]
    assert "s-1vcpu-1gb" in [size.slug for size in manager.get_all_sizes()]


def test_it_reads_all_pages_of_droplets_with_their_addresses(manager: digitalocean.Manager, droplets: Droplets) -> None:
    for number in range(3):
        droplets.active(name=f"web-{number}", tags=["web"])
    found = manager.get_all_droplets(tag_name="web", params={"per_page": 1})
    assert {droplet.name for droplet in found} == {"web-0", "web-1", "web-2"}
    assert all(droplet.ip_address.startswith("127.77.") for droplet in found)


def test_it_reboots_and_destroys_a_droplet(manager: digitalocean.Manager, droplets: Droplets) -> None:
    droplet = manager.get_droplet(droplets.active()["id"])
    action = droplet.reboot(return_dict=False)
    until(lambda: manager.get_action(action.id).status == "completed", "the action completes")
    assert droplet.destroy()
    with pytest.raises(digitalocean.NotFoundError):
        manager.get_droplet(droplet.id)


def test_it_is_refused_with_a_wrong_token(manager: digitalocean.Manager) -> None:
    manager.token = "wrong"
    with pytest.raises(digitalocean.DataReadError, match="Unable to authenticate"):
        manager.get_all_tags()
