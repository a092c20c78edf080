"""Telling people of changes, each once, by the channels of an environment.

A run tells with one line, `tell(environment, changes)`, and never fails because of it: what no channel took waits in a
notebook for the next run that tells, as the health check does each minute.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from prefect import get_run_logger

from agent.notices import Line, Message, NotDelivered, deliver, place
from blocks.environment import Environment
from fleet import notices
from fleet.errors import PermanentError, TransientError
from fleet.notices import Change, Memory
from fleet.remediation.redaction import redact
from tasks.notebooks import Notebook
from tasks.policy import step

Memories = dict[str, Memory]
NOTEBOOK: Final = Notebook[Memories]("notices", Memories, dict)
"""What was told of each environment, by its title."""


def tell(environment: Environment, changes: Iterable[Change] = ()) -> None:
    """Tells people what is news among these changes, together with what could not be told before.

    Does nothing where the environment has no notifications. A change is news when its subject was last told to be
    otherwise; see `fleet.notices`. Of several channels it is enough that one takes the message.
    """
    if environment.notifications is None or not environment.notifications.channels():
        return
    try:
        _tell(environment, tuple(changes))
    except Exception as error:  # whatever it is, the run that tells did what it is for
        get_run_logger().warning("Nobody could be told of changes: %s. The next run tries again.", error)


def _tell(environment: Environment, changes: tuple[Change, ...]) -> None:
    """Writes down what is news, then sends all that waits, unless another run is at it."""
    _change(environment, lambda memory: notices.note(memory, changes, datetime.now(UTC)))
    with NOTEBOOK.alone() as alone:
        memory = NOTEBOOK.read().get(environment.title(), Memory())
        due = notices.due(memory, datetime.now(UTC))
        if alone and due and send(environment, _message(environment, memory, due)):
            _change(environment, lambda memory: notices.delivered(memory, due, datetime.now(UTC)))


def send(environment: Environment, message: Message) -> bool:
    """Sends a message by every channel; whether one took it. Those that did not are in the log."""
    taken = False
    channels = environment.notifications.channels() if environment.notifications else ()
    for number, channel in enumerate(channels):
        try:
            hand_over(place(channel), number, environment, message)
            taken = True
        except (PermanentError, TransientError) as error:
            get_run_logger().warning("%s", error)
    return taken


@step("tell {where}", timeout=timedelta(minutes=1), retries=2)
def hand_over(where: str, number: int, environment: Environment, message: Message) -> None:
    """Sends a message by one channel of an environment.

    Raises:
        TransientError: it did not take it, and may another time.
        PermanentError: it will not.
    """
    channels = environment.notifications.channels() if environment.notifications else ()
    try:
        deliver(channels[number], message)
    except NotDelivered as error:
        kind = TransientError if error.passing else PermanentError
        raise kind(f"{error}.", hint="See the block Notifications, and the channel itself.") from None


def _change(environment: Environment, change: notices.Revision) -> None:
    def changed(memories: Memories) -> Memories:
        before = memories.get(environment.title(), Memory())
        after = change(before)
        return memories if after == before else {**memories, environment.title(): after}

    NOTEBOOK.update(changed)


def _message(environment: Environment, memory: Memory, changes: Iterable[Change]) -> Message:
    """The message, without anything in it that looks like a secret."""
    lines = tuple(
        Line(one.subject, one.was, one.is_, redact(one.reason), one.since.astimezone(UTC), redact(_hint(memory, one)))
        for one in changes
    )
    return Message(environment.title(), datetime.now(UTC), lines, f"the controller {socket.gethostname()}")


def _hint(memory: Memory, change: Change) -> str:
    calm = f"It changes often: the next is told once it has been the same for {notices.CALM.seconds // 60} minutes."
    return f"{change.hint} {calm}".strip() if notices.often(memory, change) else change.hint
