"""The Prefect profile of this installation: what lets a script or the `prefect` command talk to its server."""

from __future__ import annotations

import json
from pathlib import Path

from deployments.files import write_private

NAME = "deployer"


def write(home: Path, values: dict[str, str]) -> Path:
    """Writes the one profile into `home` (private, 0600): `PREFECT_HOME={home}` is then all that a script needs.

    The folder is closed to other users: Prefect keeps its database there, and in it the key to the blocks' secrets.
    """
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)
    lines = [
        f'active = "{NAME}"',
        "",
        f"[profiles.{NAME}]",
        *(f"{name} = {json.dumps(value)}" for name, value in values.items()),
    ]
    path = home / "profiles.toml"
    write_private(path, "\n".join(lines) + "\n")
    return path
