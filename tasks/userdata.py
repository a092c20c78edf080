"""SSH key pairs, and the user data that a droplet is born with. Pure text: nothing here touches a network.

Two kinds of droplet exist. One is baked over SSH, and its user data fixes both ends of that contact: the only key that
may log in, and the host key that the controller will accept. Every other droplet starts from a snapshot, and gets
its name and a boot secret, which dies at the first contact with the controller (see `agent.keys`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fleet.errors import InvalidInput

LIMIT: Final = 64 * 1024
"""Bytes of user data that DigitalOcean takes."""

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SECRET = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class KeyPair:
    """An ed25519 SSH key, both halves in OpenSSH's format; printing it shows only the public half."""

    private: str = field(repr=False)
    public: str


def new_key_pair(comment: str) -> KeyPair:
    """Make a fresh key pair; it lives in memory only, and `comment` ends its public line."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return KeyPair(private.decode(), f"{public.decode()} {comment}")


def bake_user_data(bake_public_key: str, host_key: KeyPair) -> str:
    """Cloud-config of a droplet to bake: root logs in with `bake_public_key` alone, and the host key is ours."""
    return _cloud_config(
        {
            "locale": "C.UTF-8",
            "disable_root": False,
            "ssh_pwauth": False,
            "ssh_deletekeys": True,
            "ssh_keys": {"ed25519_private": host_key.private, "ed25519_public": host_key.public},
            "ssh_authorized_keys": [bake_public_key],
            "users": [{"name": "root", "lock_passwd": True, "ssh_authorized_keys": [bake_public_key]}],
        }
    )


def droplet_user_data(name: str, boot_secret: str) -> str:
    """Cloud-config of a droplet made from a snapshot: its name and its boot secret, and nothing else.

    Raises InvalidInput when the name is no host name or the secret is not 64 hex digits.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInput(f"{name!r} cannot name a droplet.", hint="Use lower-case letters, digits and hyphens.")
    if not _SECRET.fullmatch(boot_secret):
        raise InvalidInput(f"The boot secret of {name} is malformed.", hint="Derive it with agent.keys.boot_secret.")
    return _cloud_config(
        {
            "write_files": [
                {"path": "/etc/deployer/droplet", "owner": "root:root", "permissions": "0644", "content": f"{name}\n"},
                {
                    "path": "/etc/deployer/boot.key",
                    "owner": "root:root",
                    "permissions": "0600",
                    "content": f"{boot_secret}\n",
                },
            ]
        }
    )


def _cloud_config(document: dict[str, Any]) -> str:
    text = "#cloud-config\n" + yaml.safe_dump(document, sort_keys=False, width=1000)
    if len(text.encode()) > LIMIT:
        raise InvalidInput(f"The user data has {len(text.encode())} bytes.", hint=f"The limit is {LIMIT} bytes.")
    return text
