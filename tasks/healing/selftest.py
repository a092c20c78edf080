"""Whether the controller itself can see, tried anew in each round: a controller that is blind does nothing."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

import httpx
from prefect.client.orchestration import get_client

from blocks.environment import Environment
from fleet.errors import DeployerError, PermanentError
from fleet.remediation.observations import Check, SelfTest
from tasks.healing.settings import HealingSettings
from tasks.policy import reason

SECONDS: Final = 5.0
"""The bound of one try."""
TRIES: Final = 2
"""A probe may be lost like any other."""


@dataclass(frozen=True)
class Address:
    """Somebody in the world who answers, whatever the answer."""

    url: str
    ca_file: Path | None = None


@dataclass(frozen=True)
class Heard:
    """An answer, and how far the other's clock was from ours."""

    skew: float | None
    """Seconds, whichever is ahead; None: it told no time."""


def examine(environments: Sequence[Environment], settings: HealingSettings) -> SelfTest:
    """The self-test of this round; takes at most `TRIES * SECONDS` and what a provider's call may take."""
    world = addresses(environments, settings)
    with ThreadPoolExecutor(len(world) + 2) as pool:
        provider = pool.submit(_check, "the provider's API", lambda: _ask_providers(environments))
        prefect = pool.submit(_check, "Prefect's API", ask_prefect)
        heard = list(pool.map(_hear, world))
    skews = [one.skew for _, one in heard if one and one.skew is not None]
    return SelfTest(
        provider=provider.result(),
        public=tuple(check for check, _ in heard),
        prefect=prefect.result(),
        skew=min(skews, default=None),
    )


def addresses(environments: Iterable[Environment], settings: HealingSettings) -> list[Address]:
    """Who stands for the world: those of the settings, or both clouds' APIs."""
    if settings.public_addresses:
        return [Address(url) for url in dict.fromkeys(settings.public_addresses)]
    clouds = [block for one in environments for block in (one.digitalocean, one.cloudflare)]
    return list({block.api_url: Address(block.api_url, block.ca_file) for block in clouds}.values())


def ask_address(address: Address) -> Heard:
    """Asks once; any answer will do, as long as the connection is what it should be.

    Raises:
        httpx.TransportError: nobody answered.
    """
    trusted = ssl.create_default_context(cafile=str(address.ca_file) if address.ca_file else None)
    reply = httpx.head(address.url, timeout=SECONDS, verify=trusted, follow_redirects=False)
    told = reply.headers.get("Date")
    try:
        there = parsedate_to_datetime(told) if told else None
    except ValueError:
        there = None
    return Heard(abs((datetime.now(UTC) - there).total_seconds()) if there and there.tzinfo else None)


def ask_prefect() -> None:
    """Asks Prefect's API whether it is there; raises when it is not."""
    with get_client(sync_client=True) as client:
        client.hello().raise_for_status()


def _ask_providers(environments: Iterable[Environment]) -> None:
    """A refusal is an answer: an environment whose token is refused has no droplets to decide about, and hides none."""
    for one in {(found.digitalocean.api_url, found.title()): found for found in environments}.values():
        with suppress(PermanentError):
            one.digitalocean.client().account.read_owner()


def _hear(address: Address) -> tuple[Check, Heard | None]:
    heard: list[Heard] = []
    check = _check(address.url, lambda: heard.append(ask_address(address)))
    return check, heard[0] if heard else None


def _check(name: str, ask: Callable[[], object]) -> Check:
    failure = ""
    for _ in range(TRIES):
        try:
            ask()
        except DeployerError as error:
            failure = error.message
        except Exception as error:  # whatever it is, it cannot be relied upon
            failure = reason(error)
        else:
            return Check(name, True)
    return Check(name, False, failure)
