"""`python -m agent.server` serves.

`… restore` puts the containers' secrets back, `… examine` looks at the system, `… drill` carries a drill out, and
`… undrill` undoes it.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Callable
from functools import partial

from agent import journal
from agent.docker_api import DockerApi
from agent.server import injection, serve, settings, system
from agent.server.app import create_app
from agent.server.engine import DockerEngine
from agent.server.instances import Place
from agent.server.peers import names_of, peers_of
from agent.server.router import Router
from agent.server.secret_files import SecretFiles
from agent.server.vigil import Vigil
from agent.server.watchdog import Watchdog

log = logging.getLogger("agent")


def main(arguments: list[str]) -> int:
    """The exit code: 0 after an orderly end, 2 for a droplet that is not ready or a command that does not exist."""
    journal.configure()
    apart: dict[str, Callable[[], int]] = {"examine": system.main, "drill": injection.inject, "undrill": injection.undo}
    if arguments not in ([], ["restore"], *([one] for one in apart)):
        log.error("unknown command; there are only `restore`, `examine`, `drill` and `undrill`")
        return 2
    if arguments and arguments[0] in apart:
        return apart[arguments[0]]()
    try:
        found = settings.load()
    except (settings.NotReady, ValueError) as error:
        log.error("%s", error)
        return 2
    secrets = SecretFiles(found.run, found.state, found.sealed_under)
    if found.enrolled:
        found.boot_file.unlink(missing_ok=True)  # an enrolment may have been cut off just before this
        log.info("secrets restored", extra={"fields": {"containers": secrets.restore()}})
    if not arguments:
        engine = DockerEngine(DockerApi(found.docker_socket), Place(found.droplet), secrets, names_of(found))
        router = Router(found.run / "nginx.sock", found.state / "routes.json")
        peers = peers_of(found, engine)
        threading.Thread(target=peers.mend, daemon=True).start()
        watching: list[Watchdog] = []
        make = partial(create_app, found, engine, router, table=peers, watch=partial(_watch, watching), keep=_keep)
        alive = partial(_alive, watching)
        asyncio.run(serve.serve(make, found, engine, router, alive))
    return 0


def _watch(watching: list[Watchdog], watchdog: Watchdog) -> None:
    threading.Thread(target=watchdog.run, name="watchdog", daemon=True).start()
    watching.append(watchdog)


def _keep(vigil: Vigil) -> None:
    threading.Thread(target=vigil.run, name="vigil", daemon=True).start()


def _alive(watching: list[Watchdog]) -> bool:
    return all(one.alive() for one in watching)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
