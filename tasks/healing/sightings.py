"""What a round saw of a droplet and of what runs on it, in remediation's words. Pure.

A droplet's clock may be wrong: whatever it tells is taken by its age, and placed on the controller's own clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final

from agent import wire
from fleet import naming
from fleet.errors import InvalidInput
from fleet.remediation import limits
from fleet.remediation.moments import Moment
from fleet.remediation.observations import DETAIL_LIMIT, Observation, Said
from fleet.remediation.rounds import Memory, Sighting
from fleet.remediation.state import Case, Deploy, DropletFacts, ServiceFacts, Target
from fleet.state import DropletStatus
from tasks.healing.looks import EdgeAnswer, Look
from tasks.healing.surroundings import Surroundings

SAME: Final = 3.0
"""Seconds: a time that is told anew and is not farther from the one that is known is the same."""
STANDSTILL: Final = 180.0
"""Seconds without a look of a droplet's watchdog, after which its agent does not do its work."""
UNREACHED: Final = frozenset({521, 522, 523})
"""What Cloudflare answers when nobody is at a record's address."""
_PROVIDER: Final[dict[DropletStatus, Said]] = {"active": "on", "new": "on", "off": "off"}
_SAW: Final[dict[str, Said]] = {"healthy": "healthy", "unhealthy": "unhealthy", "ended": "unhealthy"}


def sight(look: Look, around: Surroundings, memory: Memory) -> list[Sighting]:
    """A droplet, and each service that runs on it, or ran there when that was last known."""
    target = Target(look.droplet.id, look.droplet.name)
    known = memory.cases.get(target.key) or Case(target)
    facts = _facts(look, around, known.droplet)
    seen = (_agent(look), _provider(look), *_edge(look, around))
    return [Sighting(target, seen, facts), *_services(look, target, facts, memory)]


def gone(target: Target, around: Surroundings, known: DropletFacts | None, at: Moment) -> list[Sighting]:
    """A droplet that the provider says does not exist, although we never removed what leads to it."""
    facts = replace(known or DropletFacts(), names=around.of(target.name) or (), replaceable=around.replaceable)
    told = (Observation("agent", at, "silent", detail="without a droplet there is no agent"),)
    return [Sighting(target, (*told, Observation("provider", at, "gone")), facts)]


def _agent(look: Look) -> Observation:
    node = look.node
    if node is None:
        return Observation("agent", look.at, "silent" if look.silent else "unknown", detail=look.detail[:DETAIL_LIMIT])
    ill = [one for one in (node.docker, node.nginx) if one.verdict not in ("healthy", "unknown")]
    said: Said = "degraded" if ill else "healthy"
    return Observation("agent", look.at, said, look.latency, "; ".join(one.reason for one in ill)[:DETAIL_LIMIT])


def _provider(look: Look) -> Observation:
    return Observation("provider", look.at, _PROVIDER.get(look.droplet.status, "unknown"))


def _edge(look: Look, around: Surroundings) -> Iterator[Observation]:
    """Only a name that leads nowhere else tells something of this droplet."""
    alone = around.alone(look.droplet.name)
    for one in look.edge:
        if one.name in alone:
            detail = f"{one.name}: {one.status or one.detail or 'no answer'}"
            yield Observation("edge", look.at, _said(one), one.latency, detail[:DETAIL_LIMIT])


def _said(one: EdgeAnswer) -> Said:
    """The edge itself out of reach says nothing of what is behind it."""
    if one.status is None:
        return "unknown"
    if one.status in UNREACHED:
        return "silent"
    return "unhealthy" if one.status >= 500 else "healthy"


def _facts(look: Look, around: Surroundings, known: DropletFacts | None) -> DropletFacts:
    """What is known of it now; what its agent alone can say is as it last said."""
    before = known or DropletFacts()
    names = around.of(look.droplet.name)
    changed = _near(before.changed, _at(look, look.droplet.created_at, look.at.utc))
    facts = replace(
        before, names=before.names if names is None else names, replaceable=around.replaceable, ill="", changed=changed
    )
    if look.node is None:
        return facts
    current = tuple(sorted({one.name for one in look.node.containers if one.role == "current"}))
    known_to_docker = look.node.docker.verdict == "healthy"
    return replace(
        facts,
        services=current if known_to_docker else before.services,
        data=_data(look.node, around),
        ill=_ill(look.node),
    )


def _data(node: wire.Node, around: Surroundings) -> tuple[str, ...] | None:
    if node.keeps is None:
        return None
    return tuple(one for one in node.keeps if one.rpartition("_")[0] not in around.disposable)


def _ill(node: wire.Node) -> str:
    """Why the agent answers without doing its work."""
    ages = [one.watch.looks[-1].seconds_ago for one in node.containers if one.watch and one.watch.looks]
    if node.docker.verdict == "healthy" and ages and min(ages) > STANDSTILL:
        return f"its watchdog has looked at nothing for {min(ages):.0f} s"
    return ""


def _services(look: Look, target: Target, facts: DropletFacts, memory: Memory) -> Iterator[Sighting]:
    there = {one.name: one for one in look.node.containers if one.role == "current"} if look.node else {}
    for name in sorted({*facts.services, *there}):
        own = replace(target, container=name)
        seen = there.get(name)
        if look.node is None or seen is None:
            why = "its agent does not answer" if look.node is None else "Docker does not say"
            yield Sighting(own, (Observation("agent", look.at, "unknown", detail=why),))
        else:
            case = memory.cases.get(own.key) or Case(own)
            yield Sighting(own, tuple(_ring(look, seen)), service=_service(look, look.node, seen, case.service))


def _ring(look: Look, seen: wire.Container) -> Iterator[Observation]:
    """What the droplet's own probes saw, oldest first; one that starts says nothing yet."""
    reason = (seen.verdict.reason if seen.verdict else "")[:DETAIL_LIMIT]
    if seen.watch is None or not seen.watch.looks:
        yield Observation("agent", look.at, seen.verdict.verdict if seen.verdict else "unknown", detail=reason)
        return
    if seen.watch.resting:
        yield Observation("agent", look.at, "unknown", detail="somebody has stopped it")
        return
    judged = [one for one in seen.watch.looks if one.saw in _SAW]
    for number, one in enumerate(judged, 1):
        said, last = _SAW[one.saw], number == len(judged)
        if last and said == "healthy" and seen.verdict and seen.verdict.verdict == "degraded":
            said = "degraded"
        yield Observation("agent", look.at.earlier(one.seconds_ago), said, detail=reason if last else "")


def _service(look: Look, node: wire.Node, seen: wire.Container, known: ServiceFacts | None) -> ServiceFacts:
    before = known or ServiceFacts()
    started = _near(before.started, _at(look, seen.started_at, node.now) if seen.started_at else None)
    count = seen.watch.restarts if seen.watch else 0
    return ServiceFacts(
        kind=seen.kind,
        release=seen.release,
        started=started,
        deploy=_deploy(look, node, seen, before),
        restarts=(started or look.at,) * min(count, limits.RESTARTS),
    )


def _deploy(look: Look, node: wire.Node, seen: wire.Container, before: ServiceFacts) -> Deploy | None:
    """The deploy that brought the release: when it was named, and the one before, if the droplet can go back to it."""
    try:
        named = naming.released_at(seen.release)
    except InvalidInput:
        return None
    previous = next((one for one in node.containers if (one.name, one.role) == (seen.name, "previous")), None)
    last_good = previous.release if previous and previous.release < seen.release else None
    known = before.deploy.at if before.deploy and before.deploy.release == seen.release else None
    at = _near(known, _at(look, named, look.at.utc))
    return Deploy(seen.release, at, last_good) if at else None


def _at(look: Look, when: datetime, theirs: datetime) -> Moment:
    """A time that was told with the clock it was told by, on our clock; never in the future."""
    return look.at.earlier(max(0.0, (theirs - when).total_seconds()))


def _near(known: Moment | None, told: Moment | None) -> Moment | None:
    """The known time where the new one is the same but for the time that an answer takes."""
    if known is None or told is None or max(known.since(told), told.since(known)) > SAME:
        return told
    return known
