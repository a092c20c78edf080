"""The flow `audit`: what people changed, for everybody to see."""

from __future__ import annotations

from tasks import changes
from tasks.runbooks import runbook


@runbook("audit", "changes by people")
def audit(last: int = 200) -> None:
    """Shows the last changes that people made through the gateway of a production controller, when there are new ones.

    Args:
        last: how many, 1 to 2000.
    """
    found = changes.read(last)
    if changes.are_new(found):
        changes.report(found, changes.names_of(found))
        changes.note(found)
