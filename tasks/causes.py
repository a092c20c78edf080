"""Why something fails, in one word with its evidence: what the agents and the edge tell, in the words of the rules."""

from __future__ import annotations

from collections.abc import Sequence

from agent import wire
from fleet.remediation.causes import Cause, classify
from fleet.remediation.evidence import Disk, Evidence, Listener, Lookup, Probe
from fleet.remediation.redaction import last_lines, redact

UNKNOWN = "unknown"


def evidence(seen: wire.Symptoms | None, outside: Sequence[Probe] = (), lookups: Sequence[Lookup] = ()) -> Evidence:
    """What an agent told of a container, if it did, and what was seen from outside; log lines without credentials."""
    if seen is None:
        return Evidence(probes=tuple(outside), lookups=tuple(lookups))
    room = seen.room
    return Evidence(
        status=seen.status,
        exit_code=seen.exit_code,
        oom=seen.oom,
        docker_error=redact(seen.docker_error),
        restarts=seen.restarts,
        ran=seen.ran_seconds,
        start_seconds=seen.start_seconds,
        port=seen.port,
        listening=None if seen.listening is None else tuple(Listener(one.address, one.port) for one in seen.listening),
        probes=(*map(_probe, seen.asks), *outside),
        log=last_lines(seen.log),
        variables=seen.variables,
        disk=Disk(room.free, room.total, room.inodes) if room else None,
        lookups=tuple(lookups),
        image_architecture=seen.image_architecture,
        machine_architecture=seen.machine_architecture,
    )


def find(seen: wire.Symptoms | None) -> Cause | None:
    """The cause that an agent's facts alone speak for; None: there are none, as from an older agent, or none fits."""
    cause = classify(evidence(seen)) if seen else None
    return None if cause is None or cause.word == UNKNOWN else cause


def told(verdict: wire.Verdict | None) -> str:
    """The cause of a bad verdict, as the end of a sentence; empty: none is known."""
    cause = find(verdict.symptoms) if verdict else None
    return f". Cause: {cause}" if cause else ""


def _probe(one: wire.Ask) -> Probe:
    return Probe(one.vantage, one.status, one.error, one.host, one.path, one.seconds)
