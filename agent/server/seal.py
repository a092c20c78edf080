"""Before a snapshot: the droplet forgets who it is.

The agent removes what is its own: secret, boot key, name, routes, sealed secrets, nginx's key. The rest of the system
(machine id, SSH host keys, logs) is out of its reach by design: there it has systemd run `deployer-seal.service`.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
from pathlib import Path
from typing import Final

from agent.server.errors import Failure
from agent.server.settings import Settings

SECONDS: Final = 60
log = logging.getLogger("agent")


def seal(settings: Settings) -> None:
    """Remove the droplet's identity and state; repeating it is fine.

    Raises:
        Failure: 502 `seal`, the system's own part did not end well; nothing of the agent's has been removed.
    """
    _seal_system(settings.seal_command)
    for path in settings.state.iterdir() if settings.state.exists() else ():
        _remove(path)
    for path in (settings.boot_file, settings.etc / "droplet", settings.run / "secrets"):
        _remove(path)
    log.info("sealed")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _seal_system(command: tuple[str, ...]) -> None:
    try:
        subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip()
        raise Failure(
            502,
            "seal",
            f"The system could not be made ready for a snapshot: {said}",
            "See `journalctl -u deployer-seal`; make no snapshot of this droplet.",
        ) from error
