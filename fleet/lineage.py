"""Where a snapshot comes from and what is in it, as the provider keeps it: in the snapshot's description."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

_MARK = "deployer"
_REASON_LIMIT = 400


@dataclass(frozen=True)
class Lineage:
    """What is known of a snapshot; empty where nobody has said."""

    parent: str = ""
    """Id of the snapshot that it was made from; empty for a base."""
    agent: str = ""
    """The agent's version."""
    image: str = ""
    """The digest of `local/base:latest`; empty for a base."""
    packages: str = ""
    """A digest of Debian's packages and their versions."""
    ready_seconds: float = 0.0
    """From the order of a droplet to its first healthy answer."""
    reason: str = ""
    """Why it was rejected."""
    about: str = ""
    """What it is for, in the words of the person who ordered it."""


def write(lineage: Lineage) -> str:
    """The lineage as a description; the inverse of `read`."""
    known = {name: value for name, value in asdict(lineage).items() if value}
    if lineage.reason:
        known["reason"] = lineage.reason[:_REASON_LIMIT]
    return json.dumps({_MARK: 1, **known}, separators=(",", ":"))


def read(description: str) -> Lineage:
    """What a description says; nothing of one that is a person's, or that was cut."""
    try:
        found: Any = json.loads(description)
    except ValueError:
        return Lineage()
    if not isinstance(found, dict) or _MARK not in found:
        return Lineage()
    texts = {name: str(found.get(name, "")) for name in ("parent", "agent", "image", "packages", "reason", "about")}
    seconds = found.get("ready_seconds", 0)
    return Lineage(**texts, ready_seconds=float(seconds) if isinstance(seconds, int | float) else 0.0)


def digest(packages: Mapping[str, str]) -> str:
    """What stands for a list of packages."""
    text = "\n".join(f"{name}={version}" for name, version in sorted(packages.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16] if packages else ""
