"""The droplet's own watch over the health rounds: when none comes any more, one droplet of the environment says so.

What was seen is in a file, so that the agent's end changes nothing; where people are told is in another one, sealed
under the droplet's secret. `absence` decides.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from pydantic import TypeAdapter, ValidationError

from agent import wire
from agent.notices import Line, Message, NotDelivered, deliver
from agent.server import absence
from agent.server.absence import Owed, Record
from agent.server.errors import Failure
from agent.server.leases import Moment, moment
from agent.server.secret_files import Sealed, write_private

SECONDS: Final = 10.0
"""Between two looks."""
AGAIN: Final = 60.0
"""Seconds after which a message that no channel took is tried again."""
KNOCK_SECONDS: Final = 3.0
_KNOCKS: Final = 32
_LABEL: Final = b"vigil"
_FILE: Final = TypeAdapter(Record)
log = logging.getLogger("agent")

Send = Callable[[wire.Channel, Message], None]


def is_there(neighbour: wire.Neighbour) -> bool:
    """Whether a droplet of the environment runs: its peers' port takes a connection, or refuses it, but answers."""
    try:
        with socket.create_connection((neighbour.address, wire.PEER_PORT), KNOCK_SECONDS):
            return True
    except ConnectionRefusedError:
        return True
    except OSError:
        return False


class Vigil:
    """The watch of one droplet; `run` is for a thread of its own, the rest for any.

    Args:
        droplet: its name.
        folder: where its files are.
        secret: the droplet's secret, under which the channels are sealed.
        clock: the time, for tests.
        send: sends a message by a channel, for tests.
        knock: whether another droplet is there, for tests.
    """

    def __init__(
        self,
        droplet: str,
        folder: Path,
        secret: str,
        clock: Callable[[], Moment] | None = None,
        send: Send = deliver,
        knock: Callable[[wire.Neighbour], bool] = is_there,
    ) -> None:
        self._droplet, self._path, self._sealed_path = droplet, folder / "vigil.json", folder / "vigil.sealed"
        self._sealed, self._clock, self._send, self._knock = Sealed(secret), clock or moment, send, knock
        self._lock = threading.Lock()
        self._record, self._order = self._read(), self._read_order()
        self._started = self._clock().elapsed
        self._next_try = 0.0

    def run(self) -> None:
        """Looks until the process ends."""
        while True:
            try:
                self.look()
            except Exception:  # the next look may be better, and nobody else looks
                log.exception("the vigil failed")
            time.sleep(SECONDS)

    def round(self) -> None:
        """A health round has come."""
        with self._lock:
            self._keep(absence.came(self._record, self._clock()))

    def replace(self, order: wire.Vigil) -> wire.VigilState:
        """Makes this what the droplet knows of its environment.

        Raises:
            Failure: 507 `disk`, it could not be written; the one before stays.
        """
        sealed = self._sealed.seal(order.model_dump_json().encode(), _LABEL)
        with self._lock:
            if order != self._order:
                try:
                    write_private(self._sealed_path, sealed)
                except OSError as error:
                    message = f"Where people are told could not be written: {error}"
                    raise Failure(507, "disk", message, "Is the droplet's disk full?") from error
                self._order = order
        return self.state()

    def state(self) -> wire.VigilState:
        """How it stands."""
        with self._lock:
            record, order = self._record, self._order
        return wire.VigilState(
            channels=len(order.channels) if order else 0,
            last_round=record.last.utc if record.last else None,
            absent=record.said != "nothing",
            told=record.said == "me",
            owed=len(record.owed),
        )

    def look(self) -> None:
        """Says what is to be said now, if anything is."""
        order = self._order
        if order is None or not order.channels:
            return
        if absence.is_turn(self._record, len(order.before), self._clock(), self._started):
            self._take_turn(order)
        if self._record.owed and self._clock().elapsed >= self._next_try:
            self._pay(order)

    def _take_turn(self, order: wire.Vigil) -> None:
        before = self._record
        alone = not self._any_there(order.before)
        now = self._clock()
        with self._lock:
            if self._record == before:  # no round came while others were looked for
                self._keep(absence.speak(before, now) if alone else absence.be_silent(before))
                self._next_try = 0.0
        log.warning("no health round comes any more", extra={"fields": {"tells": alone}})

    def _any_there(self, neighbours: Sequence[wire.Neighbour]) -> bool:
        with ThreadPoolExecutor(_KNOCKS, "vigil") as pool:
            return any(list(pool.map(self._knock, neighbours)))

    def _pay(self, order: wire.Vigil) -> None:
        """Sends what is owed, oldest first; the first that nobody takes ends it for now."""
        for one in self._record.owed:
            now = self._clock()
            if not absence.is_stale(one, now) and not self._say(one, order, now):
                self._next_try = now.elapsed + AGAIN
                return
            with self._lock:
                self._keep(absence.paid(self._record, one))

    def _say(self, one: Owed, order: wire.Vigil, now: Moment) -> bool:
        """Whether a channel took it."""
        message, taken = _message(one, order, self._droplet, now), False
        for channel in order.channels:
            try:
                self._send(channel, message)
                taken = True
            except NotDelivered as error:
                log.warning("a message was not taken", extra={"fields": {"reason": str(error)}})
        return taken

    def _keep(self, record: Record) -> None:
        """Remembers; a disk that takes nothing must not keep the agent from its work."""
        if record == self._record:
            return
        self._record = record
        try:
            write_private(self._path, _FILE.dump_json(record))
        except OSError as error:
            log.error("the vigil's file cannot be written", extra={"fields": {"reason": str(error)}})

    def _read(self) -> Record:
        try:
            return _FILE.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return Record()
        except ValidationError as error:
            log.error("the vigil's file cannot be read", extra={"fields": {"errors": error.error_count()}})
            return Record()

    def _read_order(self) -> wire.Vigil | None:
        try:
            return wire.Vigil.model_validate_json(self._sealed.open(self._sealed_path.read_bytes(), _LABEL))
        except FileNotFoundError:
            return None
        except (InvalidTag, ValueError):  # neither of them may be logged: it could hold what is sealed
            log.error("where people are told cannot be read; the next health round hands it over again")
            return None


def _message(one: Owed, order: wire.Vigil, droplet: str, now: Moment) -> Message:
    """What people are told."""
    subject = f"the controller of {order.environment}"
    if one.what == "absent":
        reason = f"No health round has come to this droplet since {one.since:%H:%M:%S} UTC."
        hint = (
            "Do the controller's machine, the Prefect server and a worker run (`python -m deployments up` starts "
            "what is missing)? Is the schedule of health-check paused? What is deployed serves on, unattended."
        )
        line = Line(subject, "at work", "silent", reason, one.since, hint)
    else:
        reason = f"Health rounds come again; there was none from {one.since:%H:%M:%S} to {one.at:%H:%M:%S} UTC."
        line = Line(subject, "silent", "back", reason, one.at)
    return Message(order.environment, now.utc, (line,), f"the droplet {droplet}")
