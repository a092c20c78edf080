"""What people are told of remediation: what begins to be wrong and ends, each step, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from blocks.environment import Environment
from fleet.notices import Change
from fleet.remediation.advance import Outcome
from fleet.remediation.moments import Moment
from fleet.remediation.records import DecisionRecord
from tasks import notices


def tell(records: Iterable[DecisionRecord], environments: Sequence[Environment]) -> None:
    """Tells of a round's decisions; what concerns the fleet as a whole goes to all environments. Fails nothing."""
    found = list(records)
    for environment in environments:
        mine = [one for one in found if one.environment in ("", environment.title())]
        if changes := [change for one in mine for change in begun(one)]:
            notices.tell(environment, changes)


def tell_end(record: DecisionRecord, outcome: Outcome, at: Moment, environment: Environment) -> None:
    """Tells what became of a step; nothing of one that was cancelled, as somebody is at it. Fails nothing."""
    if outcome.word != "cancelled":
        notices.tell(environment, [ended(record, outcome, at)])


def begun(record: DecisionRecord) -> Iterator[Change]:
    """A decision's alerts, those that are over, and its step."""
    decision, since = record.decision, record.at.utc
    hint = f"python -m deployments replay {record.id}"
    for alert in decision.alerts:
        yield Change(f"{decision.target}: {alert.kind}", "well", alert.kind, alert.text, since, hint)
    for kind in decision.cleared:
        yield Change(f"{decision.target}: {kind}", kind, "over", decision.reason, since, hint)
    if decision.acts:
        yield Change(str(decision.target), "", decision.action, decision.reason, since, hint, record.id)


def ended(record: DecisionRecord, outcome: Outcome, at: Moment) -> Change:
    """What became of a step."""
    decision, hint = record.decision, f"python -m deployments replay {record.id}"
    word = f"{decision.action} {'helped' if outcome.word == 'helped' else 'did not help'}"
    return Change(str(decision.target), decision.action, word, outcome.detail, at.utc, hint, f"{record.id} ended")
