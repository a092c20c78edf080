"""The routers that the suite runs on: the fake, and the real one with its nginx."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from agent import wire
from agent.server.ports import Router
from tests.contract.agent.backends import Backend
from tests.contract.agent.nginx import Nginx
from tests.fakes.router import Answer, FakeRouter
from tests.unit.agent.builders import HOST, NAME, release


@dataclass
class Gate:
    """A router, and a visitor's request to it."""

    router: Router
    get: Callable[..., tuple[int, str]]
    ask: Callable[..., Answer]
    """The same, with the headers of the answer."""


def route(backend: Backend, number: int = 1, host: str = HOST, container: str = NAME) -> wire.Route:
    """A name's way to a backend."""
    return wire.Route(host=host, container=container, release=release(number), address="127.0.0.1", port=backend.port)


def closed(*routes: wire.Route, page: wire.Maintenance) -> wire.Routes:
    """A table of these routes, all of which show this page."""
    return table(*(one.model_copy(update={"maintenance": page}) for one in routes))


def table(*routes: wire.Route) -> wire.Routes:
    """A table of these routes."""
    return wire.Routes(routes=routes)


@contextlib.contextmanager
def nginx() -> Iterator[Nginx]:
    """A running nginx; its folder is open to the user that its workers run as."""
    folder = Path(tempfile.mkdtemp(prefix="agent-nginx-"))
    folder.chmod(0o755)
    found = Nginx(folder)
    try:
        found.start()
        yield found
    finally:
        found.stop()
        shutil.rmtree(folder)


def totals(router: Router) -> dict[tuple[str, str], int]:
    """How many requests each release of each container has had."""
    return {(one.container, one.release): one.total for one in router.counts()}


@contextlib.contextmanager
def gate(kind: str) -> Iterator[Gate]:
    """The router of this kind: `fake` or `nginx`."""
    if kind == "fake":
        fake = FakeRouter()
        yield Gate(fake, fake.get, fake.ask)
    else:
        with nginx() as found:
            yield Gate(found.router, found.get, found.ask)
