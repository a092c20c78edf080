"""The documents of a block type on the Prefect server: all of them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import BlockDocument
from prefect.exceptions import PrefectHTTPStatusError

from fleet.errors import PermanentError

MOST: Final = 10_000
"""More of one type are not worked with: each run would read them all."""


def list_all(slug: str) -> list[BlockDocument]:
    """All documents of a type; none where the server does not know the type yet.

    It is one call: the route knows no pages (3.8.8), and gives everything whatever offset and limit are asked for.

    Raises:
        PermanentError: there are more than 10,000.
    """
    with get_client(sync_client=True) as client:
        try:
            found = client.read_block_documents_by_type(slug)
        except PrefectHTTPStatusError as error:
            if error.response.status_code != HTTPStatus.NOT_FOUND:
                raise
            return []
    if len(found) > MOST:
        raise PermanentError(
            f"There are {len(found)} blocks of the type {slug}, and {MOST} are the most that is worked with.",
            hint="Delete those that nobody needs, in the UI.",
        )
    return found
