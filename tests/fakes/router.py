"""The network of a droplet in memory: nginx (`FakeRouter`), the ports of containers, and an agent's sudden death."""

from __future__ import annotations

import contextlib
import html
import http.client
import socket
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from threading import RLock, Thread
from typing import NamedTuple

from agent import wire
from agent.server.ports import Count, RouterError


class Killed(BaseException):
    """What SIGKILL is to the agent: no handler of exceptions sees it, and nothing is tidied up."""


class Crashes:
    """Where the agent dies: before a call of a fake does anything, or after it has. Both fakes may share one.

    `calls` has the names of all calls so far, e.g. `engine.rename` or `router.update`; `watch` is called after each.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.watch: Callable[[], None] = lambda: None
        self._named: dict[str, deque[str]] = {}
        self._numbered: tuple[int, str] | None = None
        self._lock = RLock()

    def before(self, call: str) -> None:
        """Die when this call is made next."""
        self._named.setdefault(call, deque()).append("before")

    def after(self, call: str) -> None:
        """Die once this call is made next and has done its work."""
        self._named.setdefault(call, deque()).append("after")

    def at(self, number: int, *, done: bool) -> None:
        """Die at the `number`th call from now, whatever it is; `done`: after it has done its work."""
        self._numbered = (len(self.calls) + number, "after" if done else "before")

    def disarm(self) -> None:
        """Live on."""
        self._named, self._numbered = {}, None

    @contextlib.contextmanager
    def step(self, call: str) -> Iterator[None]:
        """One call of a fake."""
        with self._lock:
            self.calls.append(call)
            moment = self._due(call)
        if moment == "before":
            raise Killed(call)
        yield
        self.watch()
        if moment == "after":
            raise Killed(call)

    def _due(self, call: str) -> str:
        if self._numbered and len(self.calls) == self._numbered[0]:
            return self._numbered[1]
        waiting = self._named.get(call)
        return waiting.popleft() if waiting else ""


class Answer(NamedTuple):
    """What a visitor gets; names of headers are in lower case."""

    status: int
    body: str
    headers: dict[str, str]


class FakeRouter:
    """The port `agent.server.ports.Router` in memory; kept honest by `tests/contract/agent/test_router.py`.

    `down` makes every call fail, `refusing` (a reason) only changes of the table; `drift` is what `check` complains of.
    `old` makes it one that asks nobody for a certificate.
    `busy` sets requests in flight by (container, release). `get` is a visitor's request.
    """

    def __init__(self, crashes: Crashes | None = None) -> None:
        self.crashes = crashes or Crashes()
        self.table = wire.Routes(routes=())
        self.down = False
        self.refusing = ""
        self.drift = ""
        self.old = False
        self.presented: tuple[bytes, bool] | None = None
        self.busy: Counter[tuple[str, str]] = Counter()
        self.counted: Counter[tuple[str, str]] = Counter()
        self.failed: Counter[tuple[str, str]] = Counter()
        self.took: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._lock = RLock()

    def read(self) -> wire.Routes:
        """The table in use."""
        with self._call("read"):
            return self.table

    def update(self, change: Callable[[wire.Routes], wire.Routes]) -> bool:
        """Replace the table; says whether anything changed."""
        with self._call("update"), self._lock:
            wanted = change(self.table)
            if wanted == self.table:
                return False
            twice = [host for host, times in Counter(one.host for one in wanted.routes).items() if times > 1]
            if self.refusing or twice:
                raise RouterError(f"it answered 400: {self.refusing or f'a host occurs twice: {twice[0]}'}")
            self.table = wanted
            return True

    def asks(self) -> bool:
        """Whether it is not `old`."""
        with self._call("asks"):
            return not self.old

    def present(self, certificate: bytes, required: bool) -> bool:
        """Show a certificate, unless it is `refusing`; says whether that is another than before."""
        with self._call("present"):
            if self.refusing:
                raise RouterError(f"it did not take up the certificate: {self.refusing}")
            before, self.presented = self.presented, (certificate, required)
            return before != self.presented

    def in_flight(self, container: str, release: str) -> int:
        """What `busy` says."""
        with self._call("in_flight"):
            return self.busy[container, release]

    def counts(self) -> tuple[Count, ...]:
        """How many visitors `get` has sent to each release, and what `failed` and `took` say of them."""
        with self._call("counts"):
            known = {*self.counted, *self.busy}
            return tuple(
                Count(*one, self.busy[one], self.counted[one], self.failed[one], self.took[one])
                for one in sorted(known)
            )

    def status(self, host: str, path: str) -> int:
        """What `get` has."""
        with self._call("status"):
            return self.ask(host, path).status

    def check(self) -> tuple[bool, str]:
        """Good, unless `drift` says otherwise."""
        with self._call("check"):
            return not self.drift, self.drift

    def get(self, host: str, path: str = "/") -> tuple[int, str]:
        """A visitor's request: status and body. 421: nobody serves the name; 502: its container does not answer."""
        found = self.ask(host, path)
        return found.status, found.body

    def ask(self, host: str, path: str = "/", accept: str = "*/*") -> Answer:
        """A visitor's request, as a browser (which accepts `text/html`) or any other program makes it."""
        route = next((one for one in self.table.routes if one.host == host), None)
        if route is None:
            return Answer(421, "unknown", {})
        if route.maintenance:
            return _page(route.maintenance, accept)
        return Answer(*self._forward(route, path), {})

    def _forward(self, route: wire.Route, path: str) -> tuple[int, str]:
        known = (route.container, route.release)
        self.counted[known] += 1
        status, body = self._fetch(route, path)
        self.failed[known] += status >= 500
        return status, body

    @staticmethod
    def _fetch(route: wire.Route, path: str) -> tuple[int, str]:
        with contextlib.closing(http.client.HTTPConnection(route.address, route.port, timeout=5)) as connection:
            try:
                connection.request("GET", path, headers={"Host": route.host})
                reply = connection.getresponse()
                return reply.status, reply.read().decode()
            except OSError as error:
                return 502, str(error)

    @contextlib.contextmanager
    def _call(self, name: str) -> Iterator[None]:
        with self.crashes.step(f"router.{name}"):
            if self.down:
                raise RouterError("it does not answer")
            yield


def _page(page: wire.Maintenance, accept: str) -> Answer:
    kind = "text/html" if "text/html" in accept else "text/plain"
    text = page.message or "This service will be back. Please try again in a while."
    body = (
        f"<h1>Under maintenance</h1><p>{html.escape(text)}</p>"
        if kind == "text/html"
        else f"Under maintenance. {text}\n"
    )
    headers = {"retry-after": str(page.retry_after_seconds), "cache-control": "no-store"}
    return Answer(503, body, {**headers, "content-type": f"{kind}; charset=utf-8"})


class Listener:
    """A container's port on a loopback address: every request is answered with the present status and a text."""

    def __init__(self, address: str, port: int, status: Callable[[], int], text: str) -> None:
        self._status = status
        self._text = text.encode()
        self._socket = socket.create_server((address, port), backlog=64)
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop to listen; a connection is refused from now on."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return  # closed
            with connection, contextlib.suppress(OSError):
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        connection.settimeout(1)
        head = b""
        while b"\r\n\r\n" not in head:
            chunk = connection.recv(4096)
            if not chunk:
                return  # only a knock
            head += chunk
        reply = f"HTTP/1.1 {self._status()} -\r\nContent-Length: {len(self._text)}\r\nConnection: close\r\n\r\n"
        connection.sendall(reply.encode() + self._text)
