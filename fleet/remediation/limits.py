"""Every number of the rules, and the version of the rules as a whole. Seconds, unless the name says otherwise."""

from __future__ import annotations

from typing import Final

RULES: Final = "1"
"""Written into every decision record; raised with any change after which a record may be decided differently."""

MINUTE: Final = 60.0
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

# How a verdict is confirmed.
FALL: Final = 3
"""So many failures in a row are a failure."""
RISE: Final = 2
"""So many successes in a row are a success."""
GAP: Final = 3 * MINUTE
"""What was not seen again for so long was not seen in a row."""
FRESH: Final = 2.5 * MINUTE
"""An observation that is older says nothing of now: two rounds, and what a round may take."""
FLAPPING: Final = 5
"""More changes than this within `FLAPPING_WINDOW` are flapping."""
FLAPPING_WINDOW: Final = 30 * MINUTE
CHANGES: Final = 2 * FLAPPING
"""So many changes are remembered: enough to know."""
STEADY: Final = 10 * MINUTE
"""Healthy for so long, a target starts anew: holds end, and the pace of restarts is the first again."""
SETTLING: Final = 10 * MINUTE
"""After any change so long without a step from `recreate` upwards."""

# The pace of restarts.
FIRST_RESTART: Final = 15.0
BACKOFF: Final = 10.0
BACKOFF_LIMIT: Final = 300.0
JITTER: Final = 0.25

# The ladder.
RESTARTS: Final = 2
RESTART_WINDOW: Final = 30 * MINUTE
FRESH_DEPLOY: Final = 15 * MINUTE
"""A service that falls within this time of its deploy is rolled back."""
RECREATIONS: Final = 1
RECREATE_WINDOW: Final = HOUR
SILENCE: Final = 5 * MINUTE
"""So long silent, or ill, before an agent is restarted or a droplet power-cycled."""
REVIVALS: Final = 1
"""Agent restarts and power cycles together, a droplet and `DAY`."""
REPLACEMENTS_AN_HOUR: Final = 1
REPLACEMENTS_A_DAY: Final = 3
REPLACEMENTS_OF_ONE: Final = 1
"""A droplet and `DAY`; what replaced it counts as the same one."""
IN_FLIGHT_FROM: Final = 20
"""From so many droplets on, `IN_FLIGHT_PERCENT` of them may be power-cycled or replaced at once; below, one."""
IN_FLIGHT_PERCENT: Final = 5
DNS_REMOVALS: Final = 3
DNS_WINDOW: Final = 30 * MINUTE

# The gates.
CLOCK_SKEW: Final = 5.0
PUBLIC_TARGETS: Final = 2
WITNESSES: Final = 2
DEAD_FOR: Final = 10 * MINUTE
DEAD_FOR_OFF: Final = 2 * MINUTE
"""When the provider says that the droplet is off or gone."""
BREAKER_PERCENT: Final = 34
INCIDENT: Final = (3, 10)
"""So many failed calls of so many to the provider are an incident of its own."""
UNHELPFUL: Final = 2
UNHELPFUL_WINDOW: Final = 2 * HOUR

# What is kept.
ABSENT: Final = DAY
"""A target that no round has named for so long is forgotten."""
ROLLBACKS: Final = 500
"""So many deploys that were rolled back are remembered."""
OBSERVATIONS: Final = 64
"""Of one target in one round; the newest are looked at."""

DEADLINES: Final = {
    "restart": 2 * MINUTE,
    "rollback": 15 * MINUTE,
    "recreate": 15 * MINUTE,
    "restart agent": 5 * MINUTE,
    "power-cycle": 10 * MINUTE,
    "replace": HOUR,
    "remove from DNS": 5 * MINUTE,
    "return to DNS": 5 * MINUTE,
}
"""A step of which nobody has told the outcome by then is over, and did not help."""
