"""How this host lets a container be a machine: its capabilities and its kind of cgroups."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

_CGROUP = Path("/sys/fs/cgroup")
_STATUS = Path("/proc/self/status")
_CAPABILITIES = (  # by the kernel's bit numbers
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
    "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
    "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
    "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
    "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
    "CHECKPOINT_RESTORE",
)  # fmt: skip


def run_options(status: Path = _STATUS, cgroup: Path = _CGROUP) -> dict[str, Any]:
    """The part of Docker's HostConfig that lets a container boot systemd and run a dockerd, as this host allows."""
    return {**_rights(status.read_text()), "CgroupnsMode": "private" if _unified(cgroup) else "host"}


def cgroup_binds(cgroup: Path = _CGROUP) -> list[str]:
    """The mount that systemd needs where cgroups are of the first version; of the second it has its own."""
    return [] if _unified(cgroup) else [f"{cgroup}:{cgroup}:rw"]


def missing_capabilities(status: str) -> list[str]:
    """The capabilities that the host itself lacks, from the text of a `/proc/<pid>/status`."""
    found = re.search(r"^CapBnd:\s*([0-9a-f]+)", status, re.MULTILINE)
    bounding = int(found.group(1), 16) if found else 0
    # A kernel older than the last of the names has no bit for them; they are not missing then.
    highest = bounding.bit_length()
    return [name for bit, name in enumerate(_CAPABILITIES) if not bounding >> bit & 1 and bit < highest]


def _rights(status: str) -> dict[str, Any]:
    missing = missing_capabilities(status)
    if not missing:
        return {"Privileged": True}
    # `Privileged` asks for every capability, and fails where the host has not got them all.
    return {
        "CapAdd": ["ALL"],
        "CapDrop": missing,
        "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined"],
        "MaskedPaths": [],
        "ReadonlyPaths": [],
    }


def _unified(cgroup: Path) -> bool:
    return (cgroup / "cgroup.controllers").exists()
