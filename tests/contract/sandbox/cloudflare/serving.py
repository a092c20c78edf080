"""Real servers in a thread for contract tests: uvicorn with TLS, and asyncio services with start() and stop()."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import trustme
import uvicorn
from fastapi import FastAPI

from tests.transports import abort_all

DEADLINE = 10.0


def until(condition: Callable[[], bool], what: str, seconds: float = DEADLINE) -> None:
    """Polls until the condition holds; fails with what was awaited when the deadline passes."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        threading.Event().wait(0.01)


def free_port(address: str = "127.0.0.1") -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def uvicorn_over_tls(app: FastAPI, authority: trustme.CA, directory: Path) -> Iterator[str]:
    """Serves an application on a loopback port over TLS; gives its base URL."""
    pem = directory / "server.pem"
    authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(pem))
    config = uvicorn.Config(app, port=0, ssl_certfile=str(pem), log_level="error", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=asyncio.run, args=(_serve(server),))
    thread.start()
    try:
        until(lambda: server.started, "uvicorn listens")
        yield f"https://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(DEADLINE)


async def _serve(server: uvicorn.Server) -> None:
    await server.serve()
    await abort_all()


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """A client context that trusts this authority alone."""
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cadata=authority.cert_pem.bytes().decode())
    return context


class Loop:
    """An event loop in a thread, for services of their own beside the test."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Runs a coroutine there and waits for its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE)

    def close(self) -> None:
        """Cancels what still runs and ends the thread."""
        self.run(self._cancel())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE)
        self._loop.close()

    async def _cancel(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await abort_all()
