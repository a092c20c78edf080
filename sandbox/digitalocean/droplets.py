"""New droplets: what a request may ask for, and the documents that it becomes."""

from __future__ import annotations

import re
from typing import Any

from sandbox.digitalocean import catalog
from sandbox.digitalocean.errors import ApiError, unprocessable
from sandbox.digitalocean.inventory import DROPLET, KEY, VPC, Inventory
from sandbox.digitalocean.reply import now
from sandbox.machines.network import Block

JSON = dict[str, Any]

USER_DATA_BYTES = 64 * 1024
MOST_AT_ONCE = 10
TAG_NAME = re.compile(r"[a-zA-Z0-9_\-:]{1,255}")
_NAME = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9.\-]{0,253}[a-zA-Z0-9])?")
_MASK = "255.255.240.0"
_UNPLAYED = ("backups", "ipv6", "volumes")


def create(inventory: Inventory, block: Block, request: JSON) -> list[JSON]:
    """Checks a request and stores its droplets, `new` and without addresses; 422 says what cannot be done."""
    _refuse_unplayed(request)
    names = _names(request)
    size, image = _size(request), _image(inventory, request)
    region = _region(request, size, image)
    if size["disk"] < image["min_disk_size"]:
        raise unprocessable("The image requires a larger disk than this size has.")
    shared = {
        **_hardware(size, region, image),
        "tags": [inventory.ensure_tag(tag)["name"] for tag in checked_tags(request.get("tags"))],
        "vpc_uuid": _vpc(inventory, request, region["slug"]),
        "_user_data": _user_data(request),
        "_public_keys": _public_keys(inventory, request),
    }
    return [_store(inventory, block, name, shared, size["slug"]) for name in names]


def checked_tags(tags: Any) -> list[str]:
    """Tag names without repetition; 422 for what cannot be one."""
    if tags is None:
        return []
    if not isinstance(tags, list) or not all(isinstance(tag, str) and TAG_NAME.fullmatch(tag) for tag in tags):
        raise unprocessable("Tags may only contain letters, numbers, colons, dashes, and underscores.")
    return list({tag.lower(): tag for tag in tags}.values())


def check_name(name: Any) -> str:
    """A droplet's name, or 422."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise unprocessable("Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)")
    return name


def _store(inventory: Inventory, block: Block, name: str, shared: JSON, size_slug: str) -> JSON:
    id = inventory.new_id(DROPLET)
    public, private = block.addresses(inventory.addresses())
    droplet = {
        "id": id,
        "name": name,
        **shared,
        "created_at": now(),
        "networks": {"v4": [], "v6": []},
        "_networks": {"v4": [_network(private, "private"), _network(public, "public")], "v6": []},
        "_public": public,
        "_private": private,
        "_generation": 1,
    }
    inventory.store.put(DROPLET, id, droplet)
    return droplet


def _hardware(size: JSON, region: JSON, image: JSON) -> JSON:
    """What a droplet shows of its size, region and image."""
    return {
        "memory": size["memory"],
        "vcpus": size["vcpus"],
        "disk": size["disk"],
        "disk_info": size["disk_info"],
        "locked": True,
        "status": "new",
        "kernel": None,
        "features": ["private_networking"],
        "backup_ids": [],
        "next_backup_window": None,
        "snapshot_ids": [],
        "volume_ids": [],
        "image": {key: value for key, value in image.items() if not key.startswith("_")},
        "size": size,
        "size_slug": size["slug"],
        "region": region,
    }


def _network(address: str, type: str) -> JSON:
    parts = address.split(".")
    # A private network is shown without a gateway, by this word.
    gateway = "nil" if type == "private" else ".".join([*parts[:2], str(int(parts[2]) // 16 * 16), "1"])
    return {"ip_address": address, "netmask": _MASK, "gateway": gateway, "type": type}


def _refuse_unplayed(request: JSON) -> None:
    """501 for what a droplet cannot have in the sandbox, rather than one that lacks it."""
    named = [key for key in _UNPLAYED if request.get(key)]
    if request.get("public_networking") is False:
        named.append("public_networking: false")
    if named:
        raise ApiError(501, "not_implemented", f"The sandbox has no droplets with {', '.join(named)}.")


def _names(request: JSON) -> list[str]:
    names = request.get("names", [request.get("name")])
    if not isinstance(names, list) or not names or names == [None]:
        raise unprocessable("Name can't be blank")
    if len(names) > MOST_AT_ONCE:
        raise unprocessable(f"You cannot create more than {MOST_AT_ONCE} droplets at once.")
    return [check_name(name) for name in names]


def _size(request: JSON) -> JSON:
    found = catalog.size(request.get("size"))
    if found is None:
        raise unprocessable("You specified an invalid size for Droplet creation.")
    return found


def _region(request: JSON, size: JSON, image: JSON) -> JSON:
    """The region that was asked for; DigitalOcean chooses for a prefix such as `nyc`, and when none is named."""
    wanted = request.get("region")
    named = [item for item in catalog.regions() if not wanted or wanted in _names_of_region(item["slug"])]
    sized = [item for item in named if item["slug"] in size["regions"]]
    fitting = [item for item in sized if item["slug"] in image["regions"]]
    if not named:
        raise unprocessable("You specified an invalid region for Droplet creation.")
    if not sized:
        raise unprocessable("Size is not available in this region.")
    if not fitting:
        raise unprocessable("The image is not available in this region.")
    return fitting[0]


def _names_of_region(slug: str) -> tuple[str, str]:
    """A region's slug, and its prefix."""
    return slug, slug.rstrip("0123456789")


def _image(inventory: Inventory, request: JSON) -> JSON:
    reference = request.get("image")
    try:
        return inventory.image(reference)
    except ApiError as error:
        raise unprocessable("You specified an invalid image for Droplet creation.") from error


def _vpc(inventory: Inventory, request: JSON, region: str) -> str:
    wanted = request.get("vpc_uuid")
    if not wanted:
        return str(inventory.default_vpc(region)["id"])
    vpc = inventory.store.get(VPC, str(wanted))
    if vpc is None or vpc["region"] != region:
        raise unprocessable("The VPC is not in this region or does not exist.")
    return str(wanted)


def _user_data(request: JSON) -> str:
    text = request.get("user_data") or ""
    if not isinstance(text, str) or len(text.encode()) > USER_DATA_BYTES:
        raise unprocessable("User data is too long (maximum is 64 KiB).")
    return text


def _public_keys(inventory: Inventory, request: JSON) -> list[str]:
    """The account's keys that are named, by number or by fingerprint."""
    wanted = request.get("ssh_keys") or []
    keys = inventory.store.all(KEY)
    found = [key for key in keys if any(str(name) in (str(key["id"]), key["fingerprint"]) for name in wanted)]
    if len(found) < len({str(name) for name in wanted}):
        raise unprocessable("One or more of the SSH keys are invalid.")
    return [key["public_key"] for key in found]
