"""A decision record for people, in rows: for a terminal, an artifact, or a mail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fleet.remediation.budgets import Budget
from fleet.remediation.gates import Gate
from fleet.remediation.moments import Moment
from fleet.remediation.observations import Observation
from fleet.remediation.records import DecisionRecord
from fleet.remediation.state import Spell, State


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    part: str
    what: str
    told: str


def rows(record: DecisionRecord) -> list[Row]:
    """Everything in a record, in the order in which one asks: what, why, from what, and what came of it."""
    return [
        *_decision(record),
        *(_observation(one, record.at) for one in record.observations),
        *_memory(record),
        *(_gate(one) for one in record.decision.gates),
        *(_budget(one) for one in record.decision.budgets),
        *_outcomes(record),
        *(Row("log", "", line) for line in record.log),
    ]


def _decision(record: DecisionRecord) -> Iterator[Row]:
    decision = record.decision
    yield Row("decision", "target", f"{decision.target} (droplet {decision.target.droplet})")
    yield Row("decision", "action", decision.action)
    if decision.considered not in (decision.action, "none"):
        yield Row("decision", "considered", decision.considered)
    yield Row("decision", "because", decision.reason)
    yield Row("decision", "at", f"{record.at.utc:%Y-%m-%d %H:%M:%S} UTC, {record.at.monotonic:.1f} s after boot")
    yield Row("decision", "rules", f"version {record.rules}")
    for what, told in (("environment", record.environment), ("flow run", record.flow_run)):
        if told:
            yield Row("decision", what, told)
    if decision.names:
        yield Row("decision", "names", ", ".join(decision.names))
    if decision.release:
        yield Row("decision", "back to release", decision.release)
    for alert in decision.alerts:
        yield Row("alert", alert.kind, alert.text)
    for kind in decision.cleared:
        yield Row("alert", kind, "is over")
    if record.cause:
        yield Row("cause", record.cause.word, f"{'; '.join(record.cause.proof)}. {record.cause.advice}")


def _observation(one: Observation, at: Moment) -> Row:
    latency = f", answered in {one.latency:.3f} s" if one.latency is not None else ""
    detail = f": {one.detail}" if one.detail else ""
    return Row("observation", one.witness, f"{one.said}{detail} ({at.since(one.at):.0f} s before{latency})")


def _memory(record: DecisionRecord) -> Iterator[Row]:
    before, now = record.state.case, record.at
    spells = (("up", before.up), ("down", before.down), ("silent", before.silent), ("ill", before.ill))
    for word, spell in spells:
        if spell:
            yield Row("memory", word, _spell(spell, now))
    for step in before.steps:
        became = {True: "helped", False: "did not help", None: "ended" if step.ended else "not ended"}[step.helped]
        yield Row("memory", step.action, f"{now.since(step.at):.0f} s before, {became} ({step.decision})")
    if before.hold:
        yield Row("memory", "held", before.hold.why)
    if before.away:
        yield Row("memory", "out of DNS", ", ".join(before.away))
    yield from _fleet(record.state)


def _fleet(state: State) -> Iterator[Row]:
    fleet = state.fleet
    yield Row("memory", "fleet", f"{fleet.droplets} droplets, {fleet.suspects} of them silent in this round")
    for one in state.standings:
        yield Row("memory", one.name, f"{one.others} other host(s) serve it")


def _spell(spell: Spell, now: Moment) -> str:
    return f"for {now.since(spell.since):.0f} s, {spell.count} time(s), last {now.since(spell.last):.0f} s before"


def _gate(gate: Gate) -> Row:
    state = f"{'open' if gate.passed else 'shut'}{'' if gate.needed else ' (not needed)'}"
    return Row("gate", f"{gate.name} {gate.title}", f"{state}: {gate.reason}")


def _budget(budget: Budget) -> Row:
    return Row("budget", budget.name, f"{budget.before} of {budget.limit} before, {budget.after} after")


def _outcomes(record: DecisionRecord) -> Iterator[Row]:
    for one in record.outcomes:
        outcome = one.outcome
        told = [outcome.detail, f"told {one.at.since(record.at):.0f} s after"]
        told += [f"healthy after {outcome.healthy_after:.0f} s"] if outcome.healthy_after is not None else []
        told += [f"in its place: droplet {outcome.successor}"] if outcome.successor is not None else []
        told += [f"touched {', '.join(outcome.resources)}"] if outcome.resources else []
        told += [f"lock {number} on {droplet}" for droplet, number in sorted(one.fencing.items())]
        yield Row("outcome", outcome.word, "; ".join(word for word in [*told, one.flow_run] if word))
