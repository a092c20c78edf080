"""The NoCloud seed: what cloud-init reads at the first boot of a machine."""

from __future__ import annotations

import json
from pathlib import Path

from sandbox.machines.ports import Machine

GUEST = "/var/lib/cloud/seed/nocloud"


def write_seed(folder: Path, machine: Machine) -> Path:
    """Writes the seed into a folder that only root reads, and gives that folder.

    It is mounted and never copied to the disk: a snapshot must not carry the user data of the machine it was made of.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    metadata = {
        "instance-id": machine.instance,
        "local-hostname": machine.hostname,
        "public-keys": list(machine.public_keys),
    }
    (folder / "meta-data").write_text(json.dumps(metadata))  # JSON is YAML
    (folder / "user-data").write_text(machine.user_data)
    return folder
