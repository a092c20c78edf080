"""What this host needs to reach Debian's mirrors and the internet, so that machines can be given the same."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

AUTHORITIES = Path("/usr/local/share/ca-certificates")
_RESOLVERS = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))
_WANTED = re.compile(r"Acquire::(https?|Check-Valid-Until|Check-Date|ForceIPv4|Retries)\b", re.IGNORECASE)
_SECONDS = 20


def apt_settings() -> str:
    """The host's apt settings for reaching a mirror (proxy, date checks …); empty where the host has no apt."""
    apt_config = shutil.which("apt-config")
    if apt_config is None:
        return ""
    done = subprocess.run([apt_config, "dump"], capture_output=True, text=True, timeout=_SECONDS, check=False)
    lines = [line for line in done.stdout.splitlines() if _WANTED.match(line) and not line.endswith(' "";')]
    return "".join(f"{line}\n" for line in lines)


def authorities() -> list[Path]:
    """Certificates of authorities that were added to this host by hand."""
    return sorted(AUTHORITIES.glob("*.crt"))


def resolvers() -> list[str]:
    """The host's name servers that a machine can reach as well; none where the host asks itself only."""
    for path in _RESOLVERS:
        text = path.read_text() if path.exists() else ""
        servers = re.findall(r"^nameserver\s+(\S+)", text, re.MULTILINE)
        reachable = [server for server in servers if not server.startswith(("127.", "::1", "fe80:"))]
        if reachable:
            return reachable
    return []
