"""A backup brought to a server, empty or used: what it names is made or changed, and nothing else is touched.

Each thing is looked at first, so that a second restore, or one after a kill, changes only what is still different.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import (
    BlockDocumentCreate,
    BlockDocumentUpdate,
    DeploymentScheduleCreate,
    VariableCreate,
    VariableUpdate,
)

from deployments import gathering
from deployments.contents import Contents, Deployment, Document, Reference, Schedule, Variable
from fleet.errors import PermanentError

UNCHANGED: Final = "is as it was"


class Restore:
    """One backup on its way to one server.

    Args:
        client: of the server, which knows our block types and deployments already.
        write: whether anything is changed; else it is only said what would be.
    """

    def __init__(self, client: SyncPrefectClient, write: bool) -> None:
        self._client, self._write = client, write
        self._kinds = {one.slug: one.id for one in client.read_block_types()}
        self._known = {one.at: one for one in gathering.read_documents(client)}
        self._ids: dict[Reference, UUID] = {}

    def document(self, one: Document) -> str:
        """A block document made, or brought to what the backup says; what it did, in words."""
        if one.at.kind not in self._kinds:
            return f"Block {one.at}: left out, as this server has no blocks of that type"
        if lost := [to for to in one.refers.values() if to not in self._known]:
            return f"Block {one.at}: left out, as {', '.join(map(str, lost))} is not there"
        known = self._known.get(one.at)
        if known == one:
            return f"Block {one.at}: {UNCHANGED}"
        if self._write:
            self._save(one, known)
        self._known[one.at] = one
        return f"Block {one.at}: {'changed' if known else 'made'}"

    def variable(self, one: Variable) -> str:
        """The same for a variable."""
        known = self._client.read_variable_by_name(one.name)
        if known and (known.value, tuple(known.tags or ())) == (one.value, one.tags):
            return f"Variable {one.name}: {UNCHANGED}"
        if self._write and known:
            self._client.update_variable(VariableUpdate(name=one.name, value=one.value, tags=list(one.tags)))
        elif self._write:
            self._client.create_variable(VariableCreate(name=one.name, value=one.value, tags=list(one.tags)))
        return f"Variable {one.name}: {'changed' if known else 'made'}"

    def deployment(self, one: Deployment, here: Deployment | None) -> str:
        """Whether a deployment is paused, and its schedules: all as in the backup, and no others."""
        title = f"{one.flow}/{one.name}"
        if here is None:
            return f"Deployment {title}: left out, as this version has none of that name"
        if here == one:
            return f"Deployment {title}: {UNCHANGED}"
        if self._write:
            self._schedule(title, one)
        return f"Deployment {title}: its schedules changed"

    def _save(self, one: Document, known: Document | None) -> None:
        kind = self._kinds[one.at.kind]
        schema = self._client.get_most_recent_block_schema_for_block_type(kind)
        if schema is None:
            raise PermanentError(
                f"The server has no schema of {one.at.kind}.", hint="Run `python -m deployments apply`."
            )
        data = one.data | {field: _link(self._id(to)) for field, to in one.refers.items()}
        if known is None:
            made = BlockDocumentCreate(name=one.at.name, data=data, block_schema_id=schema.id, block_type_id=kind)
            self._client.create_block_document(made)
            return
        changed = BlockDocumentUpdate(block_schema_id=schema.id, data=data, merge_existing_data=False)
        self._client.update_block_document(self._id(one.at), changed)

    def _id(self, at: Reference) -> UUID:
        if at not in self._ids:
            self._ids[at] = self._client.read_block_document_by_name(at.name, at.kind).id
        return self._ids[at]

    def _schedule(self, title: str, one: Deployment) -> None:
        there = self._client.read_deployment_by_name(title)
        for old in self._client.read_deployment_schedules(there.id):
            self._client.delete_deployment_schedule(there.id, old.id)
        if one.schedules:
            self._client.create_deployment_schedules(there.id, [_created(each) for each in one.schedules])
        if there.paused != one.paused:
            (self._client.pause_deployment if one.paused else self._client.resume_deployment)(there.id)


def restore(contents: Contents, write: bool) -> Iterator[str]:
    """Brings everything to the server, a line for each thing; nothing is changed where `write` is false."""
    with get_client(sync_client=True) as client:
        work = Restore(client, write)
        here = {(one.flow, one.name): one for one in gathering.read_deployments(client)}
        yield from map(work.document, gathering.in_order(contents.documents))
        yield from map(work.variable, contents.variables)
        for one in contents.deployments:
            yield work.deployment(one, here.get((one.flow, one.name)))


def _link(id: UUID) -> dict[str, Any]:
    return {"$ref": {"block_document_id": str(id)}}


def _created(one: Schedule) -> DeploymentScheduleCreate:
    given: dict[str, Any] = one.model_dump(exclude={"schedule"}) | {"schedule": one.schedule}
    return DeploymentScheduleCreate.model_validate(given)
