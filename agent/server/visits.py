"""Asking a container as a visitor does. It may be hostile: its answer is bounded in time as a whole, and not read."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from contextlib import closing
from typing import Final

from agent.deadlines import Deadline, connect, cut

AGENT: Final = {"User-Agent": "deployer-agent"}


def status(address: str, port: int, path: str, headers: Mapping[str, str], seconds: float) -> int:
    """What a GET over plain HTTP is answered within so many seconds; nobody is followed elsewhere.

    Raises:
        OSError: nobody answered in time (TimeoutError), or at all.
        http.client.HTTPException: what came was no answer.
    """
    deadline = Deadline(seconds)
    with closing(http.client.HTTPConnection(address, port)) as visit:
        visit.sock = connect(address, port, deadline)
        with cut(visit.sock, deadline):
            visit.request("GET", path, headers={**AGENT, **headers})
            return visit.getresponse().status
