"""The asynchronous way to a droplet, under the newest of its keys that it answers to."""

from __future__ import annotations

from typing import Any

import httpx

from agent import keys, wire
from agent.client.errors import AgentRefused
from agent.client.transport import checked, options, sni, translated


class AsyncWay:
    """An open client of one droplet, once its key is found; never enrols."""

    def __init__(self, ring: keys.Ring, droplet: str, address: str, port: int = wire.PORT) -> None:
        self._ring, self._droplet, self._address, self._port = ring, droplet, address, port
        self._http: httpx.AsyncClient | None = None

    @property
    def named(self) -> dict[str, Any]:
        """What every request has to carry."""
        return sni(self._droplet)

    async def http(self) -> httpx.AsyncClient:
        """The client, whose key is looked for at the first call.

        Raises:
            AgentUnreachable: the droplet does not answer.
            AgentRefused: it answers to no key of the ring.
        """
        if self._http is None:
            self._http = await self._first_that_fits()
        return self._http

    async def close(self) -> None:
        """Closes the connection; the next call looks anew, as for a key that was turned meanwhile."""
        opened, self._http = self._http, None
        if opened is not None:
            await opened.aclose()

    async def _first_that_fits(self) -> httpx.AsyncClient:
        refused = AgentRefused("there is no key to try")
        for opening in self._ring.openings(self._droplet):
            http = httpx.AsyncClient(**options(opening.secret, self._droplet, self._address, self._port))
            try:
                with translated():
                    checked(await http.get("/ping", extensions=self.named))
            except AgentRefused as error:
                refused = error
                await http.aclose()
            except BaseException:
                await http.aclose()
                raise
            else:
                return http
        raise refused
