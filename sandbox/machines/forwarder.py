"""The way from a droplet's public address to its machine, where firewalls, power and cuts act."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.machines.filter import admit, is_admitted

PORTS = (22, 80, 443, 9999)
EVERYBODY = ("0.0.0.0/0",)
_BACKLOG = 256
_CONNECT_SECONDS = 5.0
_CHUNK = 2**18

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Rules:
    """Who reaches a droplet: for each port the sources (addresses and networks) that may connect.

    A port without sources refuses; `silent` drops every packet, as a machine without power or network;
    `latency` delays what passes, in seconds each way.
    """

    sources: Mapping[int, tuple[str, ...]] = field(default_factory=lambda: dict.fromkeys(PORTS, EVERYBODY))
    silent: bool = False
    latency: float = 0.0


class Gate:
    """The public address of one droplet, which leads to one machine. Belongs to the event loop that opens it."""

    def __init__(self, public: str, private: str) -> None:
        self._public = public
        self._private = private
        self._rules = Rules(sources={})
        self._listeners: dict[int, tuple[socket.socket, asyncio.Task[None]]] = {}
        self._passages: dict[asyncio.Task[None], tuple[int, str]] = {}
        self._flowing = asyncio.Event()
        self._flowing.set()

    @property
    def rules(self) -> Rules:
        """What holds now."""
        return self._rules

    def apply(self, rules: Rules) -> None:
        """Opens and closes ports; ends connections that the new rules would not admit, as a restart of the rules does.

        Raises OSError when a port of the public address cannot be had.
        """
        self._rules = rules
        for port in PORTS:
            sources = rules.sources.get(port, ())
            if sources or rules.silent:
                admit(self._listener(port), () if rules.silent else sources)
            elif port in self._listeners:
                self._shut(port)
        (self._flowing.clear if rules.silent else self._flowing.set)()
        for passage, (port, source) in list(self._passages.items()):
            if not is_admitted(source, rules.sources.get(port, ())):
                passage.cancel()

    async def close(self) -> None:
        """Closes every port and connection."""
        passages = [*self._passages, *(task for _, task in self._listeners.values())]
        for port in list(self._listeners):
            self._shut(port)
        self.drop_connections()
        await asyncio.gather(*passages, return_exceptions=True)

    def drop_connections(self) -> None:
        """Ends every open connection, as the machine's end does."""
        for passage in list(self._passages):
            passage.cancel()

    def _listener(self, port: int) -> socket.socket:
        if port not in self._listeners:
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setblocking(False)
            # Before it listens: nobody gets in between.
            admit(listener, ())
            try:
                listener.bind((self._public, port))
                listener.listen(_BACKLOG)
            except OSError:
                listener.close()
                raise
            self._listeners[port] = listener, asyncio.create_task(self._accept(listener, port))
        return self._listeners[port][0]

    def _shut(self, port: int) -> None:
        listener, task = self._listeners.pop(port)
        task.cancel()
        listener.close()

    async def _accept(self, listener: socket.socket, port: int) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, (source, _) = await loop.sock_accept(listener)
            passage = asyncio.create_task(self._pass(connection, source, port))
            self._passages[passage] = port, source
            passage.add_done_callback(lambda done: self._passages.pop(done, None))

    async def _pass(self, connection: socket.socket, source: str, port: int) -> None:
        """One connection from its accept to its end; a machine that refuses is passed on as a reset."""
        if self._rules.silent or not is_admitted(source, self._rules.sources.get(port, ())):
            connection.close()
            return
        try:
            opening = asyncio.open_connection(self._private, port, limit=_CHUNK)
            machine = await asyncio.wait_for(opening, _CONNECT_SECONDS)
        except (OSError, TimeoutError):
            _reset(connection)
            return
        visitor = await asyncio.open_connection(sock=connection, limit=_CHUNK)
        await self._join(visitor, machine)

    async def _join(self, visitor: Streams, machine: Streams) -> None:
        """Passes both directions until both have ended; a broken one breaks the other."""
        writers = visitor[1], machine[1]
        try:
            await asyncio.gather(self._pump(visitor[0], machine[1]), self._pump(machine[0], visitor[1]))
        except OSError:
            _abort(writers)
        except asyncio.CancelledError:
            _abort(writers)
            raise
        for writer in writers:
            writer.close()

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        """Passes one direction until its end, and passes the end on."""
        while data := await source.read(_CHUNK):
            await self._flowing.wait()
            if self._rules.latency:
                await asyncio.sleep(self._rules.latency)
            target.write(data)
            await target.drain()
        if target.can_write_eof():
            target.write_eof()


def _abort(writers: tuple[asyncio.StreamWriter, ...]) -> None:
    for writer in writers:
        writer.transport.abort()


def _reset(connection: socket.socket) -> None:
    """Makes the close a reset: the visitor sees a failure and no empty answer."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
