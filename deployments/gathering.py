"""A controller read for a backup, through the server's API: in the database, secrets are sealed under its own key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Final, TypeVar
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import BlockDocument
from prefect.client.schemas.responses import DeploymentResponse

from deployments.contents import Contents, Deployment, Document, Reference, Schedule, Variable
from deployments.registered import MARK

PAGE: Final = 200
MOST: Final = 10_000
T = TypeVar("T")


def gather(project: str) -> Contents:
    """Every named block document, every variable, and what people decided about deployments."""
    with get_client(sync_client=True) as client:
        return Contents(
            made_at=datetime.now(UTC),
            project=project,
            documents=tuple(in_order(read_documents(client))),
            variables=tuple(read_variables(client)),
            deployments=tuple(read_deployments(client)),
        )


def read_documents(client: SyncPrefectClient) -> list[Document]:
    """All that have a name, in the order of their types and names; with their secrets."""
    found = [one for one in _pages(lambda at: client.read_block_documents(offset=at, limit=PAGE)) if one.name]
    kinds = {one.id: one.slug for one in client.read_block_types()}
    return sorted((_document(one, kinds) for one in found), key=lambda one: str(one.at))


def read_variables(client: SyncPrefectClient) -> list[Variable]:
    """All of them but for our own note of what is registered, which is true of its own server alone."""
    found = client.read_variables(limit=PAGE)
    ours = [Variable(name=one.name, value=one.value, tags=tuple(one.tags or ())) for one in found if one.name != MARK]
    return sorted(ours, key=lambda one: one.name)


def read_deployments(client: SyncPrefectClient) -> list[Deployment]:
    """All of them, by their names."""
    found = _pages(lambda at: client.read_deployments(offset=at, limit=PAGE))
    flows = {flow: client.read_flow(flow).name for flow in {one.flow_id for one in found}}
    return sorted((_deployment(one, flows) for one in found), key=lambda one: (one.flow, one.name))


def in_order(documents: Iterable[Document]) -> Iterator[Document]:
    """Each after those that it refers to; a reference that leads nowhere, or in a circle, holds nothing up."""
    waiting = {one.at: one for one in documents}
    while waiting:
        ready = [one for one in waiting.values() if not any(to in waiting for to in one.refers.values())]
        for one in ready or list(waiting.values()):
            yield waiting.pop(one.at)


def _document(one: BlockDocument, kinds: dict[UUID, str]) -> Document:
    refers = {field: _reference(said["block_document"]) for field, said in one.block_document_references.items()}
    refers = {field: to for field, to in refers.items() if to.name}
    data = {key: value for key, value in one.data.items() if key not in refers}
    return Document(at=Reference(kind=kinds[one.block_type_id], name=one.name or ""), data=data, refers=refers)


def _reference(said: dict[str, object]) -> Reference:
    """A document that another one refers to; one that Prefect made for it has no name, and stays a part of it."""
    kind = said["block_type"]
    slug = kind["slug"] if isinstance(kind, dict) else ""
    return Reference(kind=slug, name="" if said.get("is_anonymous") else str(said.get("name") or ""))


def _deployment(one: DeploymentResponse, flows: dict[UUID, str]) -> Deployment:
    schedules = [
        Schedule(
            schedule=each.schedule.model_dump(mode="json"),
            active=each.active,
            parameters=each.parameters,
            max_scheduled_runs=each.max_scheduled_runs,
            slug=each.slug,
        )
        for each in one.schedules
    ]
    ordered = sorted(schedules, key=lambda each: (each.slug or "", each.model_dump_json()))
    return Deployment(flow=flows[one.flow_id], name=one.name, paused=one.paused, schedules=tuple(ordered))


def _pages(read: Callable[[int], list[T]]) -> list[T]:
    found: list[T] = []
    while len(found) < MOST:
        page = read(len(found))
        found += page
        if len(page) < PAGE:
            break
    return found
