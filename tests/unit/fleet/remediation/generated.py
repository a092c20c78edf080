"""States, observations and histories drawn at random: also such as no real fleet would ever come to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import get_args

from hypothesis import strategies as st

from fleet.remediation.actions import Action, Intervention, Step
from fleet.remediation.moments import Moment
from fleet.remediation.observations import Calls, Check, Observation, Said, SelfTest, Witness
from fleet.remediation.state import (
    FLEET,
    Case,
    Deploy,
    DropletFacts,
    Fleet,
    Hold,
    Kind,
    Lease,
    Pause,
    Rollback,
    Scope,
    ServiceFacts,
    Spell,
    Standing,
    State,
    Suspension,
)
from tests.unit.fleet.remediation.scenes import (
    AGENT_DEAD,
    HELLO,
    HUNG,
    OFF,
    OLDER,
    RELEASE,
    SEES,
    START,
    UNSEEN,
    WELL,
    droplet,
    observe,
    service,
)

NOW = START.later(30 * 3600)
WORDS: tuple[Said, ...] = get_args(Said)
WITNESSES: tuple[Witness, ...] = get_args(Witness)
ACTIONS: tuple[Action, ...] = get_args(Action)
texts = st.text(max_size=20)
seconds = st.one_of(
    st.floats(0, 100_000, allow_nan=False), st.sampled_from([0.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 86400.0])
)
times = st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))
moments = st.one_of(
    seconds.map(NOW.earlier),
    st.builds(Moment, times, st.floats(0, 1e9, allow_nan=False), st.sampled_from(["boot", "another"])),
)
maybe = st.none() | moments
observations = st.builds(
    Observation,
    st.sampled_from(WITNESSES),
    st.one_of(seconds.filter(lambda n: n < 200).map(NOW.earlier), moments),
    st.sampled_from(WORDS),
    st.none() | st.floats(0, 60),
    texts,
)
mostly_no = st.sampled_from([False, False, False, False, True])
checks = st.builds(Check, texts, st.booleans(), texts)
tried = st.none() | checks
odd_self_tests = st.builds(
    SelfTest, tried, st.lists(checks, max_size=3).map(tuple), tried, st.none() | st.floats(-9, 9)
)
self_tests = mostly_no.flatmap(lambda odd: odd_self_tests if odd else st.just(SEES))
targets = st.one_of(st.builds(droplet, st.integers(0, 3)), st.builds(service, st.integers(1, 3)), st.just(FLEET))
names = st.lists(st.sampled_from(["hello.example.com", "other.example.com"]), unique=True).map(tuple)


def _spell(since: float, last: float, count: int) -> Spell:
    return Spell(NOW.earlier(since), NOW.earlier(min(since, last)), count)


spells = st.none() | st.builds(_spell, seconds, st.sampled_from([0.0, 10.0, 60.0, 60.0, 200.0]), st.integers(1, 20))
steps = st.builds(Step, st.sampled_from(ACTIONS), moments, texts, maybe, st.none() | st.booleans())
interventions = st.builds(
    Intervention,
    st.sampled_from(["power-cycle", "replace"]),
    st.integers(1, 4),
    moments,
    texts,
    maybe,
    st.none() | st.booleans(),
    st.none() | st.integers(1, 4),
)
droplet_facts = st.builds(
    DropletFacts,
    st.sampled_from([(), (HELLO,)]),
    names,
    st.booleans(),
    st.sampled_from([None, (), ("data",)]),
    st.sampled_from(["", "its watchdog stands still"]),
    maybe,
)
deploys = st.builds(Deploy, st.sampled_from([RELEASE, OLDER]), moments, st.sampled_from([None, OLDER]))
service_facts = st.builds(
    ServiceFacts,
    st.sampled_from(get_args(Kind)),
    st.sampled_from([RELEASE, OLDER]),
    maybe,
    st.floats(0, 600),
    st.none() | deploys,
    st.lists(moments, max_size=3).map(tuple),
    maybe,
)
cases = st.builds(
    Case,
    target=targets,
    droplet=st.none() | droplet_facts,
    service=st.none() | service_facts,
    up=spells,
    down=spells,
    silent=spells,
    ill=spells,
    is_down=st.booleans(),
    seen=maybe,
    changes=st.lists(moments, max_size=4).map(tuple),
    steady=maybe,
    steps=mostly_no.flatmap(lambda any: st.lists(steps, max_size=3) if any else st.just([])).map(tuple),
    hold=st.none() | st.builds(Hold, moments, texts, st.sampled_from([RELEASE, OLDER, ""])),
    away=names,
    told=st.lists(st.sampled_from(["dead", "held", "flapping", "blind", "breaker"]), unique=True).map(tuple),
    last=texts,
    absent=maybe,
)
fleets = st.builds(
    Fleet,
    st.integers(0, 30),
    st.integers(0, 4),
    self_tests,
    mostly_no.map(lambda odd: Calls(10 * odd, 10)),
    st.lists(interventions, max_size=2).map(tuple),
    mostly_no.flatmap(lambda odd: st.builds(Suspension, moments, texts) if odd else st.none()),
)
pauses = st.builds(
    Pause,
    st.sampled_from(get_args(Scope)),
    st.sampled_from(["", HELLO, "hello"]),
    texts,
    texts,
    st.none(),
    st.none() | times,
)
leases = st.builds(Lease, st.just(HELLO), texts, st.booleans())
standings = st.builds(Standing, st.sampled_from(["hello.example.com", "other.example.com"]), st.integers(0, 3))
rollbacks = st.builds(Rollback, st.just(HELLO), st.sampled_from([RELEASE, OLDER]), moments)
states = st.builds(
    State,
    cases,
    fleets,
    st.sampled_from([1, 1, 1, 1, 0, 2]),
    mostly_no.flatmap(lambda any: leases.map(lambda one: (one,)) if any else st.just(())),
    mostly_no.flatmap(lambda any: pauses.map(lambda one: (one,)) if any else st.just(())),
    st.lists(standings, max_size=2).map(tuple),
    st.lists(rollbacks, max_size=2).map(tuple),
)


def _dire(state: State, since: float) -> State:
    """The state of a droplet that was seen dead for so long, with nothing of its own against a replacement."""
    facts = DropletFacts((HELLO,), (), True, ())
    case = replace(state.case, target=droplet(1), droplet=facts, down=_spell(since, 60, 9), is_down=True, steps=())
    fleet = replace(state.fleet, droplets=12, interventions=())
    return replace(state, case=replace(case, changes=(), hold=None), fleet=fleet, namesakes=1, standings=())


dire_states = st.builds(_dire, states, st.sampled_from([60.0, 119.0, 121.0, 299.0, 301.0, 599.0, 601.0, 900.0]))


def _all_say(words: dict[Witness, Said]) -> tuple[Observation, ...]:
    return observe(words, NOW)


unwell: dict[Witness, Said] = {"agent": "unhealthy"}
seen = st.one_of(
    st.lists(observations, max_size=6).map(tuple),
    st.sampled_from([HUNG, OFF, HUNG, OFF, UNSEEN]).map(_all_say),
    st.just(unwell).map(_all_say),
)


@dataclass(frozen=True)
class Stretch:
    """Some rounds in which the same is seen."""

    rounds: int
    droplets: dict[int, dict[Witness, Said]]
    services: dict[int, Said]
    blind: bool
    incident: bool
    paused: bool
    leased: bool
    told: str
    """What becomes of steps; empty: nobody tells."""
    restarts: bool
    """Whether the controller ends and begins anew before it."""
    seconds: float


moods = st.sampled_from([WELL, HUNG, HUNG, OFF, OFF, AGENT_DEAD, UNSEEN])
stretches = st.builds(
    Stretch,
    st.sampled_from([1, 2, 4, 8, 16, 30]),
    st.dictionaries(st.integers(1, 3), moods, max_size=3),
    st.dictionaries(st.integers(1, 4), st.sampled_from(["unhealthy", "degraded", "unknown", "healthy"]), max_size=3),
    mostly_no,
    mostly_no,
    mostly_no,
    mostly_no,
    st.sampled_from(["", "helped", "unhelpful", "cancelled"]),
    st.booleans(),
    st.sampled_from([60.0, 60.0, 60.0, 10.0, 170.0]),
)
histories = st.lists(stretches, min_size=1, max_size=8)
