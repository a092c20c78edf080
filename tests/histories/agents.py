"""Agents in memory: the application of each droplet behind its own gate and key, asked without a socket.

FastAPI takes a while to build routes. So there is one set of them for all droplets, which is aimed at the droplet that
is asked; authentication, leases and everything else that an agent remembers are each one's own.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent import keys, wire
from agent.server import containers
from agent.server.app import create_api, create_context, guarded
from agent.server.context import Context
from agent.server.ports import EngineError, RouterError
from agent.server.settings import Limits
from agent.server.work import Work
from fleet.state import DropletRequest
from tests.fakes.router import Killed
from tests.flows.machines import Machine
from tests.histories.times import Time

ASKING = {"/images/missing", "/images/save"}
"""Calls that change nothing although they send something."""


class Agents:
    """All agents, and the way to them; `watch` is told of each call that may change something, before it does."""

    def __init__(self, time: Time) -> None:
        self.time = time
        self.machines: dict[str, QuietMachine] = {}
        self.watch: Callable[[str], None] = lambda _: None
        self.loop = asyncio.new_event_loop()
        self._routes = {enrolled: Aimed(enrolled) for enrolled in (False, True)}

    def boot(self, request: DropletRequest, address: str, folder: Path) -> Machine:
        """The machine of a new droplet."""
        made = self.machines[address] = QuietMachine(request, address, folder, self)
        return made

    def open_http(self, secret: str, _droplet: str, address: str, port: int) -> httpx.Client:
        """A client of what is at the address, under this secret; stands in for the one over TLS."""
        headers = {wire.KEY_HEADER: keys.api_key(secret)}
        way = _Way(self, secret)
        return httpx.Client(base_url=f"https://{address}:{port}", headers=headers, transport=way, trust_env=False)

    def aim(self, context: Context) -> ASGIApp:
        """The routes, which are this droplet's until they are aimed at another one."""
        return self._routes[context.settings.enrolled].at(context)

    def close(self) -> None:
        """Ends the loop."""
        self.loop.close()


class QuietMachine(Machine):
    """A droplet whose agent is asked in memory. One that dies is back, as by systemd, when it is asked again."""

    def __init__(self, request: DropletRequest, address: str, folder: Path, agents: Agents) -> None:
        super().__init__(request, address, folder)
        self._agents, self._away = agents, False
        self._process: _Process | None = None

    @property
    def answers(self) -> bool:
        """Whether the agent is there."""
        return not self._away

    def silence(self) -> None:
        """The agent answers no more; the containers run on."""
        self._away, self._process = True, None

    def wake(self) -> None:
        """The agent is back after a silence."""
        self._away = False

    def ask(self, secret: str, request: httpx.Request) -> httpx.Response:
        """The agent's answer; raises what a client would see of a droplet that gives none."""
        if self._away:
            raise httpx.ConnectError("[Errno 111] Connection refused", request=request)
        process = self._process = self._process or self._start()
        if secret != process.context.settings.secret:
            raise httpx.ConnectError("certificate verify failed") from ssl.SSLCertVerificationError()
        self._agents.time.asking = True
        try:
            process.mend()
            return self._agents.loop.run_until_complete(process.answer(self._agents.aim(process.context), request))
        except Killed as death:
            self._process = None
            self.engine.crashes.disarm()
            self.router.crashes.disarm()
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.") from death
        finally:
            self._agents.time.asking = False
            if process.over:
                self._process = None

    def _start(self) -> _Process:
        self.starts += 1
        return _Process(self)

    def context(self, stop: Callable[[], None]) -> Context:
        """What an agent that starts now knows."""
        return create_context(self._settings(), self.engine, self.router, stop, self.table)


class _Process:
    """An agent from one start to the next."""

    def __init__(self, machine: QuietMachine) -> None:
        self.over = False
        self.context = machine.context(self._stop)
        self._mended = not self.context.settings.enrolled

    def mend(self) -> None:
        """What an agent does at its start, until it has once been done."""
        if self._mended:
            return
        try:
            containers.reconcile(self.context.engine, self.context.router)
        except (EngineError, RouterError):
            return
        self._mended = True

    async def answer(self, routes: ASGIApp, request: httpx.Request) -> httpx.Response:
        """One call, through everything that is around the routes."""
        sent: list[Message] = []
        body = [{"type": "http.request", "body": request.read(), "more_body": False}]

        async def receive() -> Message:
            return body.pop() if body else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        await guarded(routes, self.context.settings)(_scope(request), receive, send)
        content = b"".join(one.get("body", b"") for one in sent[1:])
        return httpx.Response(sent[0]["status"], headers=sent[0]["headers"], stream=httpx.ByteStream(content))

    def _stop(self) -> None:
        self.over = True


class Aimed:
    """Routes whose context is each time that of the droplet that is asked."""

    def __init__(self, enrolled: bool) -> None:
        self._stands = {one.name: Stand() for one in fields(Context)}
        self._stands["settings"].aimed_at = SimpleNamespace(enrolled=enrolled)
        given: dict[str, Any] = {**self._stands, "work": Work(Limits().lock_seconds)}
        given["stop"] = lambda: self._stands["stop"].aimed_at()
        self._context = Context(**given)
        self._routes = create_api(self._context)

    def at(self, context: Context) -> ASGIApp:
        """The routes for this droplet."""
        for name, stand in self._stands.items():
            stand.aimed_at = getattr(context, name)
        return self._answer

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Every second call is a ping, whose route FastAPI finds last."""
        if scope["path"] != "/ping":
            return await self._routes(scope, receive, send)
        body = self._context.ping().model_dump_json().encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": body})


class Stand:
    """Has whatever that has which it is aimed at."""

    aimed_at: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.aimed_at, name)


class _Way(httpx.BaseTransport):
    def __init__(self, agents: Agents, secret: str) -> None:
        self._agents, self._secret = agents, secret

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """To the machine at the address, if there is one."""
        if request.method != "GET" and request.url.path not in ASKING:
            self._agents.watch(f"agent.{request.method} {request.url.path}")
        machine = self._agents.machines.get(request.url.host)
        if machine is None:
            raise httpx.ConnectTimeout("timed out", request=request)
        return machine.ask(self._secret, request)


def _scope(request: httpx.Request) -> dict[str, Any]:
    url = request.url
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "https",
        "path": url.path,
        "raw_path": url.raw_path.partition(b"?")[0],
        "query_string": url.query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": ("127.0.0.1", 123),
        "server": (url.host, url.port),
    }
