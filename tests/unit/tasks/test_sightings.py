"""What a round is told of a droplet: the provider's word, its agent's by ages, and the edge's where it is its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import agent
from agent import wire
from fleet.remediation.moments import Moment
from fleet.remediation.observations import Observation
from fleet.remediation.rounds import Memory, Sighting
from fleet.remediation.state import Case, DropletFacts, Target
from tasks.healing import looks, sightings
from tasks.healing.looks import Look
from tasks.healing.surroundings import Surroundings, by_droplet
from tasks.health.findings import AgentAnswer, EdgeAnswer, Finding
from tests.unit.fleet.worlds import DOMAIN, HELLO, OLD, OLDER, droplet, record

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
AT = Moment(NOW, 5000.0, "boot")
GOOD = wire.Verdict(verdict="healthy", reason="it answers", checked_at=NOW)
BAD = wire.Verdict(verdict="unhealthy", reason="connection refused", checked_at=NOW)
DISK = wire.Disk(total=100, free=50)
TARGET = Target(droplet("a").id, droplet("a").name)
ALONE = Surroundings("demo-prod", True, {TARGET.name: (DOMAIN,)})


def container(verdict: wire.Verdict = GOOD, looked: str = "", age: float = 0.0, **changes: Any) -> wire.Container:
    """A current container; `looked` has a letter for each look of the watchdog: h, u, s or e."""
    words = {"h": "healthy", "u": "unhealthy", "s": "starting", "e": "ended"}
    ring = [wire.Look(seconds_ago=age + 10.0 * number, saw=words[one]) for number, one in enumerate(reversed(looked))]
    watch = wire.Watch(looks=tuple(reversed(ring)), restarts=0, held=False, resting=False) if looked else None
    facts: dict[str, Any] = {
        "name": HELLO,
        "role": "current",
        "release": OLD,
        "image": "sha256:0",
        "status": "running",
        "started_at": NOW - timedelta(hours=1),
        "restarts": 0,
        "verdict": verdict,
        "watch": watch,
    }
    return wire.Container(**{**facts, **changes})


def node(*containers: wire.Container, **changes: Any) -> wire.Node:
    """What an agent answers."""
    facts: dict[str, Any] = {
        "droplet": TARGET.name,
        "version": agent.__version__,
        "api": wire.API_VERSION,
        "now": NOW,
        "booted_at": NOW,
        "docker": GOOD,
        "nginx": GOOD,
        "disk": DISK,
        "memory": DISK,
        "load": (0.0, 0.0, 0.0),
        "agent_rss": 64 << 20,
        "containers": containers,
        "keeps": (),
    }
    return wire.Node(**{**facts, **changes})


def look(seen: wire.Node | None = None, **changes: Any) -> Look:
    """What a round saw of the droplet."""
    return replace(Look("demo-prod", droplet("a"), AT, seen, silent=seen is None), **changes)


def sight(one: Look, around: Surroundings = ALONE, memory: Memory | None = None) -> tuple[Sighting, list[Sighting]]:
    """The droplet's sighting, and those of its services."""
    first, *rest = sightings.sight(one, around, memory or Memory())
    return first, rest


def said(found: Sighting) -> dict[str, str]:
    """The last word of each witness."""
    return {one.witness: one.said for one in found.observations}


def test_a_droplet_that_is_well_is_on_and_healthy() -> None:
    found, _ = sight(look(node()))
    assert said(found) == {"agent": "healthy", "provider": "on"}


@pytest.mark.parametrize(("status", "word"), [("active", "on"), ("off", "off"), ("new", "on"), ("archive", "unknown")])
def test_the_provider_is_taken_by_its_word(status: Any, word: str) -> None:
    found, _ = sight(look(droplet=replace(droplet("a"), status=status)))
    assert said(found) == {"agent": "silent", "provider": word}


@pytest.mark.parametrize(
    ("silent", "word"), [(True, "silent"), (False, "unknown")], ids=["nobody answers", "that is not known"]
)
def test_only_nobody_is_silence(silent: bool, word: str) -> None:
    answer = AgentAnswer(None, "no answer", 5.0, silent, AT)
    one = droplet("a")
    (seen,) = looks.looks([Finding("demo-prod", one.name, "", "", "unknown", "", provider=one, agent=answer)])
    assert said(sight(seen)[0])["agent"] == word


def test_a_container_and_an_environment_that_nobody_saw_are_no_droplets() -> None:
    container = Finding("demo-prod", TARGET.name, HELLO, OLD, "healthy", "")
    unseen = Finding("demo-prod", "", "", "", "unknown", "")
    assert looks.looks([container, unseen]) == []
    assert looks.unlisted([container, unseen]) == {"demo-prod"}


def test_an_agent_that_finds_docker_or_nginx_ill_is_alive_and_degraded() -> None:
    found, _ = sight(look(node(nginx=BAD)))
    assert said(found)["agent"] == "degraded"
    assert found.observations[0].detail == "connection refused"


@pytest.mark.parametrize(("droplets", "told"), [((TARGET.name,), True), ((TARGET.name, "demo-prod-00000b"), False)])
def test_the_edge_tells_of_a_droplet_only_what_nobody_else_can_have_answered(
    droplets: tuple[str, ...], told: bool
) -> None:
    edge = (EdgeAnswer(DOMAIN, "https://hello.example.com", droplets, "silent", "522", 522),)
    answer = AgentAnswer(None, "no answer", silent=True, at=AT)
    one = droplet("a")
    (seen,) = looks.looks([Finding("demo-prod", one.name, "", "", "unknown", "", None, AT, one, answer, edge)])
    assert (said(sight(seen)[0]).get("edge") == "silent") is told


def ring(seen: wire.Container, **changes: Any) -> list[tuple[str, float]]:
    """What the droplet's own probes say, with the seconds that each is old."""
    _, (found,) = sight(look(node(seen, **changes)))
    return [(one.said, AT.since(one.at)) for one in found.observations]


def test_the_watchdogs_looks_come_by_their_ages_whatever_the_droplets_clock_says() -> None:
    looked = container(BAD, "heu", age=4.0)
    wanted = [("healthy", 24.0), ("unhealthy", 14.0), ("unhealthy", 4.0)]
    assert ring(looked) == wanted
    assert ring(looked, now=NOW + timedelta(days=300)) == wanted


def test_a_look_at_one_that_starts_says_nothing() -> None:
    assert ring(container(GOOD, "sh")) == [("healthy", 0.0)]


def test_errors_in_the_log_make_the_last_look_degraded_and_no_more() -> None:
    verdict = wire.Verdict(verdict="degraded", reason="1 error(s) in the log", checked_at=NOW)
    assert [word for word, _ in ring(container(verdict, "hh"))] == ["healthy", "degraded"]
    assert [word for word, _ in ring(container(verdict, "hu"))] == ["healthy", "unhealthy"]


def test_what_no_watchdog_looks_at_is_judged_by_its_verdict() -> None:
    assert ring(container(BAD, kind="scheduled")) == [("unhealthy", 0.0)]


def test_of_what_somebody_has_stopped_nothing_is_said() -> None:
    watch = wire.Watch(looks=(wire.Look(seconds_ago=1, saw="ended"),), restarts=0, held=False, resting=True)
    assert ring(container(BAD, watch=watch)) == [("unknown", 0.0)]


def test_services_of_a_silent_droplet_are_those_that_it_had_and_unknown() -> None:
    memory = Memory({TARGET.key: Case(TARGET, DropletFacts((HELLO,), (DOMAIN,), data=("a",)))})
    found, (service,) = sight(look(), memory=memory)
    assert (service.target.container, said(service)) == (HELLO, {"agent": "unknown"})
    assert found.droplet is not None
    assert (found.droplet.services, found.droplet.data) == ((HELLO,), ("a",))


def test_services_stay_known_while_docker_does_not_say() -> None:
    memory = Memory({TARGET.key: Case(TARGET, DropletFacts((HELLO,)))})
    found, (service,) = sight(look(node(docker=BAD)), memory=memory)
    assert found.droplet is not None
    assert found.droplet.services == (HELLO,)
    assert said(service) == {"agent": "unknown"}


@pytest.mark.parametrize(
    ("keeps", "data"),
    [(None, None), ((), ()), ((f"{HELLO}_data", "theirs"), (f"{HELLO}_data", "theirs"))],
    ids=["unknown", "none", "some"],
)
def test_data_is_what_would_be_lost_and_unknown_is_not_none(keeps: Any, data: Any) -> None:
    found, _ = sight(look(node(keeps=keeps)))
    assert found.droplet is not None
    assert found.droplet.data == data


def test_volumes_that_may_be_lost_are_no_data() -> None:
    around = replace(ALONE, disposable=frozenset({HELLO}))
    found, _ = sight(look(node(keeps=(f"{HELLO}_data", "theirs"))), around)
    assert found.droplet is not None
    assert found.droplet.data == ("theirs",)


def test_names_that_nobody_could_read_are_those_that_are_known() -> None:
    memory = Memory({TARGET.key: Case(TARGET, DropletFacts(names=(DOMAIN,)))})
    found, _ = sight(look(node()), replace(ALONE, names=None), memory)
    assert found.droplet is not None
    assert found.droplet.names == (DOMAIN,)


def test_an_agent_whose_watchdog_stands_still_does_not_do_its_work() -> None:
    assert (sight(look(node(container(GOOD, "h", age=200.0))))[0].droplet or DropletFacts()).ill
    assert not (sight(look(node(container(GOOD, "h", age=20.0))))[0].droplet or DropletFacts()).ill


def test_the_deploy_is_known_by_its_name_and_by_what_can_be_gone_back_to() -> None:
    before = container(role="previous", release=OLDER, watch=None)
    _, (found,) = sight(look(node(container(), before)))
    assert found.service is not None
    assert found.service.deploy is not None
    assert (found.service.deploy.release, found.service.deploy.last_good) == (OLD, OLDER)
    _, (back,) = sight(look(node(container(release=OLDER), container(role="previous", release=OLD))))
    assert back.service is not None
    assert back.service.deploy is not None
    assert back.service.deploy.last_good is None, "nobody goes forward unasked"


def test_the_same_times_told_a_little_later_are_the_same_facts() -> None:
    _, (first,) = sight(look(node(container())))
    memory = Memory({first.target.key: Case(first.target, service=first.service)})
    later = replace(AT, utc=AT.utc + timedelta(seconds=61), monotonic=AT.monotonic + 61)
    again = look(node(container(), now=NOW + timedelta(seconds=60.2)), at=later)
    assert sight(again, memory=memory)[1][0].service == first.service


def test_the_watchdogs_restarts_count_with_ours() -> None:
    watch = wire.Watch(looks=(wire.Look(seconds_ago=1, saw="ended"),), restarts=2, held=True, resting=False)
    _, (found,) = sight(look(node(container(BAD, watch=watch))))
    assert found.service is not None
    assert len(found.service.restarts) == 2


def test_a_droplet_that_does_not_exist_any_more_is_gone_with_its_agent() -> None:
    (found,) = sightings.gone(TARGET, ALONE, DropletFacts((HELLO,), data=()), AT)
    assert [(one.witness, one.said) for one in found.observations] == [("agent", "silent"), ("provider", "gone")]
    assert found.droplet == DropletFacts((HELLO,), (DOMAIN,), True, ())


def test_records_lead_to_the_droplet_that_their_comment_names() -> None:
    assert by_droplet([record("a"), record("a", name="www.example.com"), record("b")]) == {
        TARGET.name: (DOMAIN, "www.example.com"),
        "demo-prod-00000b": (DOMAIN,),
    }


def test_an_observation_is_never_of_the_future() -> None:
    _, (found,) = sight(look(node(container(started_at=NOW + timedelta(hours=1)))))
    assert found.service is not None
    assert found.service.started == AT
    assert all(isinstance(one, Observation) for one in found.observations)
