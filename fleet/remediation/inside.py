"""Causes that lie in the container or on its droplet: each function gives the proof of one, or nothing."""

from __future__ import annotations

import re
from typing import Final

from fleet.remediation.evidence import Evidence, Probe

DISK_FREE: Final = 64 * 2**20
"""Bytes; with less, nothing can be written for long."""
RESTARTS: Final = 3
"""So many restarts of one release are a loop."""
_NAME = r"(?P<name>[A-Z][A-Z0-9_]{2,63})"
_MISSING: Final = tuple(
    re.compile(pattern)
    for pattern in (
        rf"KeyError: ['\"]{_NAME}['\"]",
        rf"(?i:environment variable|env var|variable|setting|secret)s?:? ['\"`$]*{_NAME}['\"`]*,? "
        r"(?i:is |was |must |has |not |needs |isn't |required)",
        rf"['\"`$]*\b{_NAME}['\"`]*:? (?:environment variable )?"
        r"(?i:(?:is|was) (?:not set|missing|required|undefined|not defined|unset|empty)"
        r"|must be (?:set|defined|provided|specified)|not set|unbound variable|parameter (?:not set|null or not set))",
        rf"(?i:missing|undefined|required)(?i: required)?(?i: environment)?(?i: variable| setting| secret)s?:? "
        rf"['\"`$]*{_NAME}\b",
        rf"(?i:must specify|you need to specify)[^.]*\b{_NAME}\b",
    )
)


_NO_NAMES: Final = ("ERROR", "WARN", "WARNING", "INFO", "DEBUG", "FATAL", "GET", "PUT", "POST", "HTTP", "TLS", "SSL")
"""Words in capitals that stand in log lines for something else."""


def disk_full(seen: Evidence) -> tuple[str, ...]:
    """Nothing can be written any more."""
    disk = seen.disk
    proof = [f"{disk.free >> 20} MiB of the disk are free"] if disk and disk.free < DISK_FREE else []
    if disk and disk.free_inodes is not None and disk.free_inodes < 100:
        proof.append(f"{disk.free_inodes} inodes are free")
    if disk is None or proof:
        proof += seen.said("no space left on device", "ENOSPC", "disk quota exceeded")[:2]
    return tuple(proof)


def architecture(seen: Evidence) -> tuple[str, ...]:
    """The image is for another processor."""
    pair = (seen.image_architecture, seen.machine_architecture)
    if all(pair):
        return () if pair[0] == pair[1] else (f"the image is for {pair[0]}, the droplet is {pair[1]}",)
    return tuple(seen.said("exec format error")[:1])


def out_of_memory(seen: Evidence) -> tuple[str, ...]:
    """The kernel, or the program's own runtime, found too little memory."""
    if seen.oom:
        return ("the kernel killed it for its memory", f"exit code {seen.exit_code}")
    told = seen.said("java.lang.OutOfMemoryError", "JavaScript heap out of memory", "Cannot allocate memory")
    return () if seen.runs and not seen.restarts else tuple(told[:1])


def missing_variable(seen: Evidence) -> tuple[str, ...]:
    """It ended because something that it wants to know was not given to it."""
    if not _ended(seen):
        return ()
    found = ((line, match["name"]) for line in seen.log for pattern in _MISSING if (match := pattern.search(line)))
    named = [(line, name) for line, name in found if name not in (*seen.variables, *_NO_NAMES)]
    return (f"{named[-1][1]} was not given", named[-1][0]) if named else ()


def does_not_start(seen: Evidence) -> tuple[str, ...]:
    """Docker could not even begin it."""
    return (seen.docker_error,) if seen.docker_error and not seen.runs else ()


def crash_loop(seen: Evidence) -> tuple[str, ...]:
    """It ends again and again, or at once, by itself."""
    if not _ended(seen):
        return ()
    code = "" if seen.exit_code is None else f", last with exit code {seen.exit_code}"
    ran = "" if seen.ran is None else f", after {seen.ran:.0f} s"
    return (f"it ended by itself{code}{ran}", f"{seen.restarts} restart(s)", *[line for line in seen.log if line][-2:])


def wrong_port(seen: Evidence) -> tuple[str, ...]:
    """It listens, but not where it should."""
    if not seen.runs or seen.port is None or not seen.listening:
        return ()
    here = [one for one in seen.listening if one.port == seen.port]
    if any(not one.is_local for one in here) or _answered(seen):
        return ()
    told = ", ".join(sorted(f"{one.address}:{one.port}" for one in seen.listening))
    return (f"it should listen on port {seen.port} for everybody", f"it listens on {told}")


def slow_start(seen: Evidence) -> tuple[str, ...]:
    """It runs, and does not listen yet, or does not answer yet."""
    if not seen.runs or seen.port is None or seen.ran is None or _answered(seen):
        return ()
    early = seen.ran < max(2 * seen.start_seconds, 60)
    waits = not seen.listening or any(one.error == "timeout" for one in seen.seen("container"))
    told = f"it has run for {seen.ran:.0f} s of the {seen.start_seconds:.0f} s that it may take to start"
    return (told, "it does not end, and nothing answers yet") if early and waits and not seen.restarts else ()


def host_header(seen: Evidence) -> tuple[str, ...]:
    """It answers, but not under its own name."""
    probes = seen.seen("container", "nginx")
    named = [one for one in probes if one.host and one.status in _REFUSALS]
    neutral = [one for one in probes if not one.host and one.is_fine]
    told = seen.said("DisallowedHost", "Invalid host header", "Blocked host", "Invalid HTTP_HOST")
    if named and (neutral or told):
        return (*map(str, [*named[:1], *neutral[:1]]), *told[:1])
    return ()


def health_path(seen: Evidence) -> tuple[str, ...]:
    """It answers, and refuses the path that it is asked for."""
    refused = _with_status(seen, 400, 500)
    return tuple(map(str, refused[:1])) if refused and not any(one.is_fine for one in seen.seen("container")) else ()


def service_error(seen: Evidence) -> tuple[str, ...]:
    """It answers with an error of its own."""
    return tuple(map(str, _with_status(seen, 500, 600)[:1]))


_REFUSALS = (400, 403, 404, 421)


def _with_status(seen: Evidence, low: int, high: int) -> list[Probe]:
    return [one for one in seen.seen("container") if one.status is not None and low <= one.status < high]


def _answered(seen: Evidence) -> bool:
    """Whether anything came back from its port."""
    return any(one.error is None for one in seen.seen("container"))


def _ended(seen: Evidence) -> bool:
    """Whether the process ended without being asked to (143 is the answer to SIGTERM)."""
    if seen.exit_code == 143 and not seen.restarts:
        return False
    return seen.status in ("exited", "restarting", "dead") or seen.restarts >= RESTARTS
