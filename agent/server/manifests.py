"""What services were to be when they were deployed last: kept for controllers, and never looked into.

A file for each, under the agent's state directory, so that a snapshot carries none. They hold no secret, but what a
container is given as variables, and so are readable by root alone.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from agent import wire
from agent.server.errors import Failure
from agent.server.secret_files import write_private

MOST: Final = 200
"""Services whose manifest is kept."""
log = logging.getLogger("agent")


class Manifests:
    """The manifests on the disk of one droplet; any thread may call."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._lock = folder, threading.Lock()

    def keep(self, name: str, manifest: wire.Manifest) -> None:
        """Takes a manifest in the place of the one before; on the disk when this returns.

        Raises:
            Failure: 409 `conflict`, there are too many; 507 `disk`, it could not be written and the one before stays.
        """
        with self._lock:
            path = self._path(name)
            if not path.exists() and len(self._names()) >= MOST:
                message = f"{MOST} manifests are kept here."
                raise Failure(409, "conflict", message, "Undeploy services that nobody uses any more.")
            try:
                write_private(path, manifest.model_dump_json().encode())
            except OSError as error:
                message = f"The manifest of {name} could not be written: {error}"
                raise Failure(507, "disk", message, "Is the droplet's disk full? The one before stays.") from error

    def read_all(self) -> tuple[wire.HeldManifest, ...]:
        """All of them, by name; one that cannot be read is told in the log and left out."""
        with self._lock:
            found = [self._read(name) for name in self._names()]
        return tuple(one for one in found if one)

    def remove(self, name: str) -> bool:
        """Forgets a service, and says whether it was known."""
        with self._lock:
            there = self._path(name).exists()
            self._path(name).unlink(missing_ok=True)
        return there

    def _names(self) -> list[str]:
        return sorted(path.stem for path in self._folder.glob("*.json") if not path.name.startswith("."))

    def _read(self, name: str) -> wire.HeldManifest | None:
        try:
            kept = wire.Manifest.model_validate_json(self._path(name).read_bytes())
        except (OSError, ValidationError) as error:
            log.error("a manifest cannot be read", extra={"fields": {"name": name, "error": type(error).__name__}})
            return None
        return wire.HeldManifest(name=name, **kept.model_dump())

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"
