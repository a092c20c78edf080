"""The documents of a block type on the Prefect server: all of them, page by page, as it gives 200 at a time."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import BlockDocument
from prefect.exceptions import PrefectHTTPStatusError

from fleet.errors import PermanentError

PAGE = 200
"""The most that the server gives at once."""
MOST: Final = 10_000
"""More of one type are not worked with: each run would read them all."""


def list_all(slug: str) -> list[BlockDocument]:
    """All documents of a type; none where the server does not know the type yet.

    Raises:
        PermanentError: there are more than 10,000.
    """
    found: list[BlockDocument] = []
    with get_client(sync_client=True) as client:
        while len(found) <= MOST:
            page = _page(client, slug, len(found))
            found += page
            if len(page) < PAGE:
                return found
    raise PermanentError(
        f"There are more than {MOST} blocks of the type {slug}.", hint="Delete those that nobody needs, in the UI."
    )


def _page(client: SyncPrefectClient, slug: str, offset: int) -> list[BlockDocument]:
    try:
        return client.read_block_documents_by_type(slug, offset=offset, limit=PAGE)
    except PrefectHTTPStatusError as error:
        if error.response.status_code != HTTPStatus.NOT_FOUND:
            raise
        return []
