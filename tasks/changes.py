"""Changes by people, as a production controller's gateway wrote them down: a line of JSON each, never rewritten."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from pydantic import BaseModel, Field, ValidationError

from fleet.errors import InvalidInput
from tasks.healing.settings import HealingSettings
from tasks.notebooks import Notebook
from tasks.policy import step
from tasks.reports import publish, table

KEY = "audit"
MOST = 2000
LONGEST_TOLD = 300
_SHOWN: Notebook[str] = Notebook("audit", str, str)
"""The id of the last change that was shown."""
_DEPLOYMENT = re.compile(r"/deployments/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


class Change(BaseModel):
    """One request that changes something, whether it was let through or not."""

    at: datetime
    who: str
    role: str
    address: str = Field(alias="from")
    """Where it came from."""
    did: str
    """The method."""
    what: str
    """The path."""
    told: str = ""
    """The body, of requests about runs only."""
    status: int
    id: str


def read(last: int) -> list[Change]:
    """The last changes, oldest first; none where there is no such file.

    Raises:
        InvalidInput: the number is out of range.
    """
    if not 1 <= last <= MOST:
        raise InvalidInput(f"{last} changes cannot be shown.", hint=f"Ask for 1 to {MOST}.")
    path = HealingSettings().audit
    if not path.exists():
        return []
    with path.open(errors="replace") as file:
        return [change for line in deque(file, last) if (change := _change(line))]


def are_new(found: Sequence[Change]) -> bool:
    """Whether the last of them was not shown yet."""
    return bool(found) and found[-1].id != _SHOWN.read()


def note(found: Sequence[Change]) -> None:
    """Remembers that they were shown."""
    _SHOWN.update(lambda _: found[-1].id)


@step("names of what was changed")
def names_of(found: Sequence[Change]) -> dict[str, str]:
    """The names of the deployments among them, by id; one that is gone has none."""
    ids = sorted({UUID(match[1]) for change in found if (match := _DEPLOYMENT.search(change.what))})
    with get_client(sync_client=True) as client:
        wanted = DeploymentFilter(id=DeploymentFilterId(any_=ids))
        deployments = client.read_deployments(deployment_filter=wanted, limit=200) if ids else []
    return {str(one.id): one.name for one in deployments}


def report(found: Sequence[Change], names: Mapping[str, str]) -> None:
    """The table, newest first."""
    rows = [_row(change, names) for change in reversed(found)]
    head = ("when (UTC)", "who", "did", "what", "with", "answer", "from")
    publish(KEY, f"# Changes by people\n\n{table(head, rows)}", f"{len(found)} changes by people")


def _row(change: Change, names: Mapping[str, str]) -> tuple[str, ...]:
    what = _DEPLOYMENT.sub(lambda match: f"/deployments/{names.get(match[1], match[1])}", change.what)
    told = change.told if len(change.told) <= LONGEST_TOLD else f"{change.told[:LONGEST_TOLD]} …"
    who = f"{change.who} ({change.role})"
    return (f"{change.at:%Y-%m-%d %H:%M:%S}", who, change.did, what, told, str(change.status), change.address)


def _change(line: str) -> Change | None:
    # A line that is being written while this reads is shown by the next run.
    try:
        return Change.model_validate_json(line)
    except ValidationError:
        return None
