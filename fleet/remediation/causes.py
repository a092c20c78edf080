"""Why something fails, in one word: the evidence that agent, edge and provider gave, read from the inside out.

What is wrong nearest to the process explains what is seen farther out, so the first cause in the table that fits is the
one: a full disk before the crash that it leads to, a crash before the port that nobody listens on, that before the 502
that visitors get. A cause is for people. Nothing is ever done because of one: some are read from log lines, and anybody
who can make a service log a line can write one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fleet.remediation import inside, outside
from fleet.remediation.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Cause:
    """What is wrong, how it is known, and what to do."""

    word: str
    proof: tuple[str, ...]
    advice: str

    def __str__(self) -> str:
        """In a line."""
        return f"{self.word}: {'; '.join(self.proof)}. {self.advice}" if self.proof else f"{self.word}. {self.advice}"


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table."""

    word: str
    find: Callable[[Evidence], tuple[str, ...]]
    """How it is known; empty: it is not this."""
    advice: str


CAUSES: Final = (
    Rule(
        "disk full",
        inside.disk_full,
        "Free space on the droplet (images that nothing uses go with the next deploy), or take a larger size.",
    ),
    Rule(
        "image architecture",
        inside.architecture,
        "Build the image for the droplets' architecture, e.g. `docker build --platform linux/amd64`.",
    ),
    Rule("out of memory", inside.out_of_memory, "Raise the service's memory limit, or have it use less."),
    Rule(
        "missing variable",
        inside.missing_variable,
        "Add it to the service's environment or secrets (a secret is a file in /run/secrets), and deploy.",
    ),
    Rule(
        "does not start",
        inside.does_not_start,
        "Set a command that is in the image: Docker found nothing that it could run.",
    ),
    Rule(
        "crash loop",
        inside.crash_loop,
        "It ends by itself: read its last lines. `rollback` brings the release before back.",
    ),
    Rule(
        "wrong port",
        inside.wrong_port,
        "Set the service's port to the one that it listens on, and have it listen on 0.0.0.0, not on 127.0.0.1.",
    ),
    Rule(
        "slow start",
        inside.slow_start,
        "Give it longer (*start seconds* of the service's health), or have it listen sooner.",
    ),
    Rule(
        "Host header",
        inside.host_header,
        "Add the service's domains to the hosts that it allows (ALLOWED_HOSTS and the like).",
    ),
    Rule(
        "health path",
        inside.health_path,
        "Set the health path to one that answers 200 to 399 without a login, or leave it empty to only connect.",
    ),
    Rule("service error", inside.service_error, "The service answers, with an error of its own: read its log."),
    Rule(
        "upstream refused",
        outside.upstream_refused,
        "nginx is there and the service does not answer it: see whether the container runs, and what it listens on.",
    ),
    Rule(
        "TLS at the origin",
        outside.tls,
        "Have the zone's mode be Full: a droplet signs its own certificate, which Full (strict) does not accept. "
        "A new droplet has a new one.",
    ),
    Rule(
        "DNS",
        outside.dns,
        "Compare the zone's records with the service's droplets; a deploy puts right those that are ours.",
    ),
    Rule(
        "firewall",
        outside.firewall,
        "Compare the environment's firewall with the edge's addresses; a deploy puts right the one that is ours.",
    ),
)
"""In the order in which they are looked at."""
UNKNOWN: Final = "Look at the service's last log lines and at the probes; none of the known causes fits."


def classify(evidence: Evidence) -> Cause:
    """The one cause that the evidence speaks for, or `unknown`."""
    for rule in CAUSES:
        proof = rule.find(evidence)
        if proof:
            return Cause(rule.word, proof, rule.advice)
    return Cause("unknown", (), UNKNOWN)
