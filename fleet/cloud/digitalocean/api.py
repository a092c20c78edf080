"""The one place where DigitalOcean's SDK is called and its answers become ours.

The SDK returns a 404 as an ordinary dictionary, and by default repeats POSTs by itself (measured with 0.44):
here every answer is checked for the key that was asked for, and the SDK never repeats anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fleet.cloud.budget import Budget, Window
from fleet.cloud.clients import Account, Clients
from fleet.cloud.digitalocean.translation import LOST, strange, translate
from fleet.cloud.tally import Tally
from fleet.errors import PermanentError, RateLimited, TransientError

TIMEOUT_SECONDS = 30
"""The bound of one call: for the connection, and for each wait on the reply."""
PER_PAGE = 200
MOST_PAGES = 500
BUDGET = Budget("DigitalOcean", Window(150, 60), Window(3000, 3600))
"""60 % of what DigitalOcean allows a token: 250 calls a minute, 5,000 an hour."""
TALLY = Tally()
"""How the latest calls of this process went."""


def _connect(account: Account) -> Any:
    from pydo import Client

    verify = account.ca_file or True
    return Client(
        account.token,
        endpoint=account.url,
        connection_verify=verify,
        retry_total=0,
        connection_timeout=TIMEOUT_SECONDS,
        read_timeout=TIMEOUT_SECONDS,  # its own `timeout` bounds no wait on a reply: 300 s (measured with 0.44)
    )


CLIENTS = Clients(_connect)


class Api:
    """Calls of one token; the SDK is imported at the first of them."""

    def __init__(self, token: str, api_url: str, ca_file: Path | None, budget: Budget = BUDGET) -> None:
        self._url, self._budget = api_url.rstrip("/"), budget
        self._account = Account(token, self._url, str(ca_file) if ca_file else None)

    @property
    def sdk(self) -> Any:
        """The vendor's client."""
        return CLIENTS.get(self._account)

    def call(self, method: Callable[..., Any], key: str, *arguments: Any, **options: Any) -> Any:
        """What the answer holds under `key`.

        Raises:
            NotFound: the provider says that the thing does not exist.
            TransientError: the same call may succeed later.
            PermanentError: it will not.
        """
        answer = self._send(method, *arguments, **options)
        if isinstance(answer, dict) and key in answer:
            return answer[key]
        raise strange(answer)

    def do(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> None:
        """A call without an answer; a thing that is absent is fine."""
        answer = self._send(method, *arguments, **options)
        if isinstance(answer, dict) and answer.get("id") not in (None, "not_found"):
            raise strange(answer)

    def pages(self, method: Callable[..., Any], key: str, **options: Any) -> Iterator[dict[str, Any]]:
        """All items of all pages."""
        for page in range(1, MOST_PAGES + 1):
            items = self.call(method, key, page=page, per_page=PER_PAGE, **options)
            yield from items
            if len(items) < PER_PAGE:
                return
        raise PermanentError(
            f"DigitalOcean lists more than {MOST_PAGES * PER_PAGE} {key}.", hint="Clean the account up."
        )

    def _send(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        from azure.core.exceptions import AzureError

        self._budget.spend()
        try:
            answer = method(*arguments, raw_response_hook=self._heed, **options)
        except (AzureError, *LOST) as error:
            ours = translate(error, self._url)
            TALLY.note(isinstance(ours, TransientError) and not isinstance(ours, RateLimited))
            raise ours from error
        TALLY.note(False)
        return answer

    def _heed(self, response: Any) -> None:
        self._budget.heed(response.http_response.headers)
