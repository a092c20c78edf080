"""Causes that lie between a visitor and the container: each function gives the proof of one, or nothing.

Cloudflare's own statuses: 521 the origin refused, 522 and 524 it did not answer in time, 523 there is no way to it,
525 and 526 its TLS, 530 its name.
"""

from __future__ import annotations

from fleet.remediation.evidence import Evidence, Probe


def upstream_refused(seen: Evidence) -> tuple[str, ...]:
    """nginx answers, and the service does not answer nginx."""
    inner = [one for one in seen.seen("container") if one.error in ("refused", "reset", "closed", "timeout")]
    gateway = [one for one in seen.seen("nginx", "direct", "edge") if one.status in (502, 504)]
    if seen.is_fine_at("container") and seen.is_fine_at("nginx"):
        return ()
    return tuple(map(str, [*inner[:1], *gateway[:1]]))


def tls(seen: Evidence) -> tuple[str, ...]:
    """The connection is made, and no handshake."""
    found = [one for one in seen.seen("nginx", "direct", "edge") if one.error == "tls" or one.status in (525, 526)]
    return tuple(map(str, found[:2]))


def dns(seen: Evidence) -> tuple[str, ...]:
    """A name of the service leads nowhere, or elsewhere."""
    wrong = [one for one in seen.lookups if one.found is not None and not one.right]
    told = [f"{one.name} leads to {', '.join(one.found or ()) or 'nothing'}" for one in wrong]
    told += [f"it should lead to {', '.join(wrong[0].expected)}"] if wrong and wrong[0].expected else []
    failed = [one for one in seen.seen("edge", "direct") if one.error == "name" or one.status == 530]
    return (*told, *map(str, failed[:1]))


def firewall(seen: Evidence) -> tuple[str, ...]:
    """All is well on the droplet, and nobody from outside comes through to it."""
    outer = [one for one in seen.seen("direct", "edge") if _is_shut_out(one)]
    if not outer or not (seen.is_fine_at("nginx") or seen.is_fine_at("container")):
        return ()
    inner = [one for one in seen.seen("nginx", "container") if one.is_fine]
    return (*map(str, outer[:2]), f"on the droplet itself all is well ({inner[0]})")


def _is_shut_out(one: Probe) -> bool:
    return one.error in ("timeout", "refused", "unreachable") or one.status in (521, 522, 523, 524)
