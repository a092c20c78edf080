"""Where a Debian system gets its packages: from the archive that debootstrap made it from, which knows its default."""

from __future__ import annotations

from pathlib import Path

SUITE = "bookworm"
SOURCES = "etc/apt/sources.list"


def complete_sources(root: Path) -> None:
    """Adds updates and security fixes to the one line that debootstrap has left in the tree at `root`."""
    path = root / SOURCES
    mirror = next(line.split()[1] for line in path.read_text().splitlines() if line.startswith("deb "))
    suites = ((mirror, SUITE), (mirror, f"{SUITE}-updates"), (f"{mirror.rstrip('/')}-security", f"{SUITE}-security"))
    path.write_text("".join(f"deb {where} {suite} main\n" for where, suite in suites))
