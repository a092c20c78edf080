"""A sign of life to an address of the user's after each completed health round."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from prefect import get_run_logger
from pydantic import SecretStr

from agent.notices import NotDelivered, visit
from blocks.environment import Environment
from fleet.errors import DeployerError, TransientError
from tasks.policy import step

SECONDS: Final = 5.0
"""How long an address may take."""


def beat(environments: Iterable[Environment]) -> None:
    """Asks each address once, also when several environments share it. One that fails is in the log, and fails no run.

    Its absence is the message: nothing is asked while health rounds do not end.
    """
    for url in dict.fromkeys(one.heartbeat_url.get_secret_value() for one in environments):
        if not url:
            continue
        try:
            ask(str(urlsplit(url).hostname), SecretStr(url))
        except DeployerError as error:
            get_run_logger().warning("%s", error)


@step("heartbeat to {host}", timeout=timedelta(seconds=30), retries=1)
def ask(host: str, url: SecretStr) -> None:
    """One GET; the address may be a secret, and is told nowhere.

    Raises:
        TransientError: it did not answer, or not with success.
    """
    try:
        visit(url.get_secret_value(), SECONDS)
    except NotDelivered as error:
        raise TransientError(f"{error}.", hint=f"Is the heartbeat's address at {host} still right?") from None
