"""SSH keys of the account: there while a base snapshot bakes."""

from __future__ import annotations

from blocks.digitalocean import DigitalOceanCredentials
from tasks.policy import step


@step("SSH key {name}")
def ensure_key(name: str, public_key: str, credentials: DigitalOceanCredentials) -> int:
    """The id of this public key in the account, added when it is new."""
    return credentials.client().keys.ensure(name, public_key)


@step("SSH key {name}: remove")
def remove_key(name: str, credentials: DigitalOceanCredentials) -> None:
    """Removes all keys of that exact name; absent is fine."""
    credentials.client().keys.remove_named(name)
