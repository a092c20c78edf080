"""Droplets that notice when no health round comes any more are told here whom to tell.

Each droplet gets the channels of its environment, and which droplets speak before it, whenever one of these changes.
What was handed over is in a notebook, so that a round asks no droplet in vain; once a day it is handed over anyway.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from prefect import get_run_logger

from agent import wire
from blocks.environment import Environment
from fleet import naming, vigil
from fleet.errors import DeployerError, PermanentError
from fleet.state import Droplet
from tasks.agents import reach
from tasks.notebooks import Notebook
from tasks.policy import step

AT_ONCE: Final = 32
ANYWAY: Final = timedelta(days=1)
NEW: Final = timedelta(minutes=2)
"""A droplet that is younger is left to the run that makes it."""


@dataclass(frozen=True)
class Handed:
    """What a droplet has got, as a word that stands for it, and when."""

    word: str
    at: datetime


Book = dict[str, dict[str, Handed]]
NOTEBOOK: Final = Notebook[Book]("vigils", Book, dict)
"""By the environment's title and the droplet's name."""


def hand_over(environments: Iterable[Environment]) -> None:
    """Gives every droplet what it has not got yet. One that cannot be reached gets it in a later round.

    Never fails a run; an environment that has no notifications, and had none, costs nothing.
    """
    book = NOTEBOOK.read()
    for environment in environments:
        if not _channels(environment) and environment.title() not in book:
            continue
        try:
            handed, failed = give(environment, book.get(environment.title(), {}))
            _remember(environment, handed, over=not _channels(environment) and not failed)
        except Exception as error:  # the round did what it is for
            get_run_logger().warning("%s: droplets do not know whom to tell: %s", environment.title(), error)


@step("{environment.project}-{environment.name}: say whom droplets tell", timeout=timedelta(minutes=1), retries=0)
def give(environment: Environment, book: Mapping[str, Handed]) -> tuple[dict[str, Handed], set[str]]:
    """Hands over what is due, to all droplets at once; gives what each has got now, and which did not take it."""
    now, tag = datetime.now(UTC), naming.environment_tag(environment.spec())
    found = environment.digitalocean.client().droplets.read_tagged(tag)
    orders = _orders(environment, [one for one in found if one.public_address and now - one.created_at >= NEW])
    wanted = {one.name: Handed(_word(environment, order), now) for one, order in orders}
    due = [(one, order) for one, order in orders if _is_due(book.get(one.name), wanted[one.name])]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        failed = {name for name in pool.map(lambda row: _give(row[0], row[1], environment), due) if name}
    given = {one.name for one, _ in due} - failed
    kept = {name: handed for name, handed in book.items() if name in wanted}
    return {**kept, **{name: wanted[name] for name in given}}, failed


def _orders(environment: Environment, droplets: Iterable[Droplet]) -> list[tuple[Droplet, wire.Vigil]]:
    every = list(droplets)
    turns, channels = vigil.turns(every), _channels(environment)
    return [(one, _order(environment, channels, turns[one.name])) for one in every]


def _order(environment: Environment, channels: tuple[wire.Channel, ...], before: tuple[Droplet, ...]) -> wire.Vigil:
    neighbours = tuple(wire.Neighbour(droplet=one.name, address=one.private_address or "") for one in before)
    return wire.Vigil(environment=environment.title(), channels=channels, before=neighbours)


def _give(droplet: Droplet, order: wire.Vigil, environment: Environment) -> str:
    """Hands it over; the droplet's name if that failed."""
    try:
        with reach(environment, droplet) as agent:
            agent.write_vigil(order)
    except DeployerError as error:
        get_run_logger().warning("%s does not know whom to tell: %s", droplet.name, error)
        return "" if isinstance(error, PermanentError) else droplet.name  # then it is asked again in a day
    return ""


def _is_due(had: Handed | None, wanted: Handed) -> bool:
    return had is None or had.word != wanted.word or wanted.at - had.at >= ANYWAY


def _remember(environment: Environment, handed: dict[str, Handed], *, over: bool) -> None:
    """Writes down what was handed over; nothing more of an environment whose droplets all know to tell nobody."""

    def changed(book: Book) -> Book:
        rest = {title: known for title, known in book.items() if title != environment.title()}
        return rest if over else {**rest, environment.title(): handed}

    NOTEBOOK.update(changed)


def _channels(environment: Environment) -> tuple[wire.Channel, ...]:
    return environment.notifications.channels() if environment.notifications else ()


def _word(environment: Environment, order: wire.Vigil) -> str:
    """What stands for exactly this order, and says nothing of the secrets in it."""
    seed = environment.digitalocean.seed_value().encode()
    return hmac.new(seed, order.model_dump_json().encode(), hashlib.sha256).hexdigest()
