"""What a person reads after a run."""

from __future__ import annotations

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.sorting import ArtifactSort

published: dict[str, str] | None = None
"""Where the fast lane keeps what is published, while a test is on it."""


def latest(key: str) -> str:
    """The text of the latest artifact with this key."""
    if published is not None:
        return published[key]
    with get_client(sync_client=True) as client:
        wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
        found = client.read_artifacts(artifact_filter=wanted, sort=ArtifactSort.CREATED_DESC, limit=1)
    return str(found[0].data)
