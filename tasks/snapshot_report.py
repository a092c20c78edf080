"""What a person reads of a snapshot that was built."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from fleet import lineage
from fleet.state import Snapshot
from tasks.reports import seconds_since, table
from tasks.snapshots import SnapshotOrder


@dataclass
class BuildReport:
    """What came of an order; filled in while the run goes on."""

    order: SnapshotOrder
    ready: Snapshot | None = None
    packages: Mapping[str, str] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    @property
    def key(self) -> str:
        """The artifact's key."""
        return f"snapshot-{self.order.name}"

    @property
    def caption(self) -> str:
        """The artifact's description."""
        return self.order.name

    def markdown(self, error: Exception | None) -> str:
        """The whole report."""
        parts = [f"# Snapshot {self.order.name}"]
        if self.ready:
            parts.append(table(("what", "value"), self._rows(self.ready)))
        if error:
            parts.append(f"**Not ready.** {error}")
        if self.packages:
            parts.append(f"## {len(self.packages)} packages")
            parts.append(table(("package", "version"), sorted(self.packages.items())))
        return "\n\n".join(parts)

    def _rows(self, ready: Snapshot) -> list[tuple[str, object]]:
        known = lineage.read(ready.description)
        return [
            ("name", ready.name),
            ("id", ready.id),
            ("state", "ready: a droplet was made from it and examined"),
            ("kind", self.order.kind),
            ("description", known.about),
            ("made from", known.parent or "a fresh Debian 12"),
            ("agent", known.agent),
            ("base image", known.image or "none"),
            ("packages", known.packages),
            ("first healthy answer", f"{known.ready_seconds:.1f} s after its droplet was ordered"),
            ("regions", ", ".join(ready.regions)),
            ("billed size", f"{ready.size_gigabytes:.2f} GB"),
            ("smallest disk", f"{ready.min_disk_gb} GB"),
            ("took", "was there already: nothing was made" if self.order.existing else seconds_since(self.began)),
        ]
