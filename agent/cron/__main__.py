"""`python -m agent.cron` keeps the times of this droplet's scheduled containers until it is told to end."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Final

from agent import journal
from agent.cron.docker import DockerContainers
from agent.cron.keeper import Keeper
from agent.docker_api import DockerApi, EngineError
from agent.notify import notify
from agent.runs import Runs

STATE: Final = Path("/var/lib/deployer")
DOCKER: Final = Path("/var/run/docker.sock")
PERIOD_SECONDS: Final = 5.0
"""How often it looks, at whole multiples of it: a minute's first second is one."""
log = logging.getLogger("cron")


def pause(now: datetime) -> float:
    """Seconds until the next look."""
    return PERIOD_SECONDS - now.timestamp() % PERIOD_SECONDS


def keep(keeper: Keeper, wait: Callable[[float], bool], clock: Callable[[], datetime]) -> None:
    """Look, and wait, until `wait` says that it is over. Docker's absence is told once, and ends nothing."""
    said = ""
    while True:
        try:
            keeper.tick(clock())
            said = ""
        except EngineError as error:
            if str(error) != said:
                said = str(error)
                log.warning("Docker does not answer", extra={"fields": {"reason": said}})
        notify("WATCHDOG=1")
        if wait(pause(clock())):
            return


def main() -> int:
    """Runs that go on when it ends go on without it."""
    journal.configure()
    ended = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    keeper = Keeper(DockerContainers(DockerApi(DOCKER)), Runs(STATE), _now(), lambda: notify("WATCHDOG=1"))
    notify("READY=1")
    log.info("ready")
    keep(keeper, ended.wait, _now)
    notify("STOPPING=1")
    return 0


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    sys.exit(main())
