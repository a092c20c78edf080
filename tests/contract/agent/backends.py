"""Small HTTP servers that stand for containers behind nginx."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Backend(ThreadingHTTPServer):
    """Answers with its name; `/slow` waits for `released`, `/error` is a 500, `/upgrade` echoes after a 101.

    It ends each connection after its answer, as nginx asks for a new one each time.
    """

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, name: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.name = name
        self.released = threading.Event()
        self.entered = threading.Event()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Backend

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        self.close_connection = True
        match self.path:
            case "/upgrade":
                self._echo()
            case "/slow":
                self.server.entered.set()
                self.server.released.wait(10)
                self._reply(200, self.server.name.encode())
            case "/error":
                self._reply(500, b"broken")
            case "/host":
                self._reply(200, str(self.headers["Host"]).encode())
            case _:
                self._reply(200, body or self.server.name.encode())

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""

    def _reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _echo(self) -> None:
        self.send_response(101)
        self.send_header("Upgrade", "echo")
        self.send_header("Connection", "upgrade")
        self.end_headers()
        self.server.entered.set()
        while line := self.rfile.readline():
            self.wfile.write(line)


@contextlib.contextmanager
def backend(name: str) -> Iterator[Backend]:
    """A running backend."""
    server = Backend(name)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join(10)
        server.server_close()
