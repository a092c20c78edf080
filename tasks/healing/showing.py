"""A decision and what became of it, as an artifact; the record on the disk is the evidence, this is for the eye."""

from __future__ import annotations

from fleet.remediation import telling
from fleet.remediation.records import DecisionRecord
from tasks.reports import fenced, publish, table

TITLES = {
    "decision": "The decision",
    "alert": "Alerts",
    "cause": "The cause",
    "observation": "What was seen",
    "memory": "What was remembered",
    "gate": "Gates",
    "budget": "Budgets",
    "outcome": "What became of it",
}


def show(record: DecisionRecord) -> None:
    """Publishes it under its own name; told again, it takes the place of what was told before."""
    publish(f"decision-{record.id}", markdown(record), _caption(record))


def markdown(record: DecisionRecord) -> str:
    """The whole record for people."""
    found = telling.rows(record)
    parts = [f"# {_caption(record)}"]
    for part, title in TITLES.items():
        rows = [[row.what, row.told] for row in found if row.part == part]
        parts += [f"## {title}\n\n{table(['', ''], rows)}"] if rows else []
    log = "\n".join(row.told for row in found if row.part == "log")
    parts += [f"## Its last lines\n\n{fenced(log)}"] if log else []
    parts.append(f"Decide it again: `python -m deployments replay {record.id}`")
    return "\n\n".join(parts)


def _caption(record: DecisionRecord) -> str:
    decision = record.decision
    ended = f", {record.outcomes[-1].outcome.word}" if record.outcomes else ""
    return f"{decision.action}: {decision.target}{ended}"
