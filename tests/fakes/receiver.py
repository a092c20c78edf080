"""Where messages arrive: a webhook that notes what it is sent, and a mail server that notes mails."""

from __future__ import annotations

import json
import socket
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


class Receiver(ThreadingHTTPServer):
    """A webhook on an address of this machine. `statuses` are what it answers next; then 200."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        super().__init__((address, 0), _Call)
        self.address = address
        self.statuses: deque[int] = deque()
        self.location = ""
        """Where it sends whoever asks, with any status."""
        self.calls: list[tuple[str, str, dict[str, str]]] = []
        """Method, path, and headers of each request, names of headers in lower case."""
        self.bodies: list[Any] = []
        """What was sent with each POST that was answered with 200."""
        self._thread = Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def url(self, path: str = "/hook") -> str:
        """Its address."""
        return f"http://{self.address}:{self.server_port}{path}"

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Call(BaseHTTPRequestHandler):
    server: Receiver

    def do_GET(self) -> None:
        """Noted."""
        self._answer(b"")

    def do_POST(self) -> None:
        """Noted with its body."""
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body: bytes) -> None:
        self.server.calls.append((self.command, self.path, {key.lower(): value for key, value in self.headers.items()}))
        status = self.server.statuses.popleft() if self.server.statuses else 200
        if body and status == 200:
            self.server.bodies.append(json.loads(body))
        self.send_response(status)
        self.send_header("Content-Length", "0")
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class MailServer:
    """As much of SMTP as a client needs. `refuse` is what it answers to a login instead of 235."""

    def __init__(self, refuse: str = "") -> None:
        self.refuse = refuse
        self.mails: list[str] = []
        self.logins = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> MailServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return  # closed
            with connection, connection.makefile("rwb") as stream:
                self._talk(stream)

    def _talk(self, stream: Any) -> None:
        self._say(stream, "220 ready")
        while line := stream.readline().decode().strip():
            match line.split()[0].upper():
                case "EHLO":
                    self._say(stream, "250-here\r\n250 AUTH PLAIN")
                case "AUTH":
                    self.logins += 1
                    self._say(stream, self.refuse or "235 welcome")
                case "DATA":
                    self._say(stream, "354 go on")
                    self.mails.append(_until_the_dot(stream))
                    self._say(stream, "250 taken")
                case "QUIT":
                    self._say(stream, "221 bye")
                    return
                case _:
                    self._say(stream, "250 fine")

    @staticmethod
    def _say(stream: Any, words: str) -> None:
        stream.write(f"{words}\r\n".encode())
        stream.flush()


def _until_the_dot(stream: Any) -> str:
    lines = iter(lambda: stream.readline().decode(), ".\r\n")
    return "".join(lines)
