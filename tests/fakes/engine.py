"""Docker of one droplet in memory; kept honest by `tests/contract/agent/test_engine.py`."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

from agent import wire
from agent.server import instances
from agent.server.ports import EngineAbsent, EngineError, Instance, LogEntry, full_name
from tests.fakes.engine_images import ImageEngine, Items
from tests.fakes.router import Crashes, Killed, Listener

__all__ = ["Crashes", "FakeEngine", "Items", "Killed"]

FIRST_ADDRESS = 16


class FakeEngine(ImageEngine):
    """The port `agent.server.ports.Engine` in memory. A running container really listens, on a loopback address.

    Args:
        crashes: where the agent dies; shared with the droplet's `FakeRouter`, if that shall count too.

    Switches, to be set at any time:
        down: every call raises EngineDown.
        full: a build finds no space left on the disk.
        mute: releases that run, but refuse every connection.
        crashing: releases that end with code 1 as soon as they start.
        unstartable: releases that Docker refuses to start.
        head_start: how long a container that starts has run already, as it says.
        foreign: names of containers without our labels; none of ours can have such a name.
        statuses: the status that a release answers requests with, 200 unless it is here.
        last_words: what a release that crashes writes last.
        oom: releases that crash because the kernel kills them for their memory.
        built_for: what images are built for, where it is not what the droplet is.
        clock: the time that lines are stamped with, and that containers start at.

    `label` is the prefix that `create` tags images with.
    `add_image` puts an image on the droplet; `say` lets a container write to its log; `exit` ends its process; `rotate`
    loses what a log had; `jump` sets the clock.
    `lent` has the secrets that each build was given, `secrets` what each (name, release) was, `volumes` whose each
    volume is, `runs` the services of the extra containers in which runs overlap.
    `close`, or leaving the `with` block, ends all listeners.
    """

    def __init__(self, crashes: Crashes | None = None) -> None:
        super().__init__(crashes or Crashes())
        self.mute: set[str] = set()
        self.crashing: set[str] = set()
        self.unstartable: set[str] = set()
        self.statuses: dict[str, int] = {}
        self.last_words = "FATAL it cannot go on"
        self.oom: set[str] = set()
        self.head_start = timedelta(0)
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.secrets: dict[tuple[str, str], dict[str, str]] = {}
        self.volumes: dict[str, str] = {}
        self.runs: list[str] = []
        self.foreign: set[str] = set()
        self._claim, self._network = _claim_network()
        self._ids = count(1)
        self._found: dict[str, Instance] = {}
        self._listeners: dict[str, Listener] = {}
        self._logs: dict[str, list[LogEntry]] = {}
        self._last = datetime.min.replace(tzinfo=UTC)

    def __enter__(self) -> FakeEngine:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes it."""
        self.close()

    def close(self) -> None:
        """End all containers."""
        with self._changed:
            for id in list(self._found):
                self._end(id, 0)
        self._claim.close()

    def say(self, full_name: str, text: str, stream: str = "stdout") -> None:
        """A container writes a line."""
        with self._changed:
            self._logs[self._known(full_name).id].append(LogEntry(self._now(), stream, text))
            self._changed.notify_all()

    def rotate(self, full_name: str) -> None:
        """What a container wrote so far is gone from its log."""
        with self._changed:
            self._logs[self._known(full_name).id].clear()

    def jump(self, now: datetime) -> None:
        """The clock is set, to an earlier time too."""
        self.clock, self._last = lambda: now, now

    def exit(self, full_name: str, code: int = 1) -> None:
        """A container's process ends by itself."""
        with self._changed:
            self._end(self._known(full_name).id, code)

    def version(self) -> str:
        """That of Debian 12."""
        with self._call("version"):
            return "20.10.24"

    def instances(self, name: str | None = None) -> tuple[Instance, ...]:
        """All containers, or one service's, in the order of their names."""
        with self._call("instances"):
            found = (one for one in self._found.values() if name in (None, one.name))
            return tuple(sorted(found, key=lambda one: one.full_name))

    def strangers(self) -> tuple[str, ...]:
        """Those of `foreign`."""
        with self._call("strangers"):
            return tuple(sorted(self.foreign))

    def volume_names(self) -> tuple[str, ...]:
        """Those of `volumes`."""
        with self._call("volume_names"):
            return tuple(sorted(self.volumes))

    def create(self, name: str, spec: wire.ContainerSpec) -> Instance:
        """A candidate that does not run yet, with the lowest free address."""
        with self._call("create"):
            self._free_name(full_name(name, "candidate"))
            self.stock.tags[instances.release_tag(self.label, name, spec.release)] = self.stock.find(spec.image).id
            taken = {one.address for one in self._found.values()}
            addresses = (f"{self._network}.{number}" for number in range(FIRST_ADDRESS, 255))
            made = Instance(
                id=f"{next(self._ids):064x}",
                name=name,
                role="candidate",
                release=spec.release,
                image=spec.image,
                status="created",
                address=next(one for one in addresses if one not in taken),
                port=spec.port,
                hosts=spec.hosts,
                health=spec.health,
                drain_seconds=spec.drain_seconds,
                memory_mib=spec.memory_mib,
                kind=spec.kind,
                exclusive=spec.exclusive,
                steady_seconds=spec.steady_seconds,
                cron=spec.cron,
                volumes=spec.volumes,
                log=spec.log,
                created_at=self._now(),
                variables=(*spec.environment, "DEPLOYER_RELEASE", "DEPLOYER_DROPLET", "DEPLOYER_SERVICE"),
                pinned=instances.pinned(spec),
            )
            self.volumes.update({instances.volume_name(name, one.name): name for one in spec.volumes})
            self._found[made.id], self._logs[made.id] = made, []
            self.secrets[name, spec.release] = dict(spec.secrets)
            return made

    def start(self, full_name: str) -> None:
        """Start it; running already is fine."""
        with self._call("start"):
            self._begin(self._known(full_name))

    def stop(self, full_name: str, seconds: int) -> None:
        """Ends at once."""
        with self._call("stop"):
            self._end(self._known(full_name).id, 0)

    def restart(self, full_name: str, seconds: int) -> None:
        """Stop and start."""
        with self._call("restart"):
            known = self._known(full_name)
            self._end(known.id, 0)
            self._begin(self._found[known.id])

    def rename(self, instance: Instance, role: wire.Role) -> None:
        """Another role, if nobody has it."""
        with self._call("rename"):
            if instance.id not in self._found:
                raise EngineAbsent(f"No such container: {instance.id}", 404)
            self._free_name(full_name(instance.name, role, instance.release))
            self._found[instance.id] = replace(self._found[instance.id], role=role)

    def remove(self, full_name: str, keep_secrets: bool = False) -> None:
        """Remove it; absent is fine."""
        with self._call("remove"):
            for one in [one for one in self._found.values() if one.full_name == full_name]:
                self._end(one.id, 137)
                del self._found[one.id], self._logs[one.id]
                if not keep_secrets:
                    self.secrets.pop((one.name, one.release), None)

    def remove_runs(self, name: str) -> int:
        """Those that `runs` names."""
        with self._call("remove_runs"):
            before = len(self.runs)
            self.runs = [one for one in self.runs if one != name]
            return before - len(self.runs)

    def remove_volume(self, name: str, volume: str) -> bool:
        """Only while no container has it."""
        with self._call("remove_volume"):
            users = (one for one in self._found.values() if volume in [used.name for used in one.volumes])
            if any(one.name == name for one in users):
                raise EngineError("remove volume: volume is in use", 409)
            return self.volumes.pop(instances.volume_name(name, volume), None) is not None

    def logs(
        self, full_name: str, tail: int | None = None, since: datetime | None = None, follow: bool = False
    ) -> Items[LogEntry]:
        """Its lines; with `follow` until it ends or the stream is closed."""
        with self._call("logs"):
            id = self._known(full_name).id
            old = [entry for entry in self._logs[id] if since is None or entry.at >= since]
            position, closed = len(self._logs[id]), [False]
        recent = old if tail is None else old[-tail:]

        def close() -> None:
            with self._changed:
                closed[0] = True
                self._changed.notify_all()

        return Items(self._told(id, recent, position, closed) if follow else iter(recent), close)

    def _known(self, name: str) -> Instance:
        found = next((one for one in self._found.values() if name in (one.full_name, one.id)), None)
        if found is None:
            raise EngineAbsent(f"No such container: {name}", 404)
        return found

    def _free_name(self, name: str) -> None:
        if name in self.foreign or any(one.full_name == name for one in self._found.values()):
            raise EngineError(f'The container name "/{name}" is already in use.', 409)

    def _begin(self, one: Instance) -> None:
        if one.running:
            return
        if one.release in self.unstartable:
            self._found[one.id] = replace(one, exit_code=127, error="executable file not found in $PATH")
            raise EngineError("executable file not found in $PATH", 400)
        started = self._now() - self.head_start
        self._found[one.id] = replace(one, status="running", started_at=started, exit_code=0, oom=False, error="")
        self._logs[one.id].append(LogEntry(self._now(), "stdout", f"{one.release} starts"))
        if one.release in self.crashing:
            self._logs[one.id].append(LogEntry(self._now(), "stderr", self.last_words))
            killed = one.release in self.oom
            self._found[one.id] = replace(self._found[one.id], oom=killed)
            self._end(one.id, 137 if killed else 1)
        elif one.port and one.release not in self.mute:
            status = self.statuses
            self._listeners[one.id] = Listener(
                one.address, one.port, lambda: status.get(one.release, 200), f"{one.name} {one.release}"
            )

    def _end(self, id: str, code: int) -> None:
        if listener := self._listeners.pop(id, None):
            listener.close()
        if self._found[id].running:
            self._found[id] = replace(self._found[id], status="exited", exit_code=code, ended_at=self._now())
        self._changed.notify_all()

    def _told(self, id: str, recent: list[LogEntry], position: int, closed: list[bool]) -> Iterator[LogEntry]:
        yield from recent
        while True:
            with self._changed:
                while not closed[0] and len(self._logs.get(id, ())) <= position and self._lives(id):
                    self._changed.wait()
                if closed[0] or len(self._logs.get(id, ())) <= position:
                    return
                entry = self._logs[id][position]
            position += 1
            yield entry

    def _lives(self, id: str) -> bool:
        return id in self._found and self._found[id].running

    def _now(self) -> datetime:
        """The time, and never the same twice."""
        self._last = max(self.clock(), self._last + timedelta(microseconds=1))
        return self._last

    def _used(self) -> frozenset[str]:
        return frozenset(one.image for one in self._found.values())


def _claim_network() -> tuple[socket.socket, str]:
    """A part of 127.88.0.0/16 that no other fake has, in any process, for as long as the socket is open."""
    for number in range(255):
        claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            claim.bind((f"127.88.{number}.1", 9888))
        except OSError:
            claim.close()
        else:
            return claim, f"127.88.{number}"
    raise AssertionError("255 fake engines are open: close them")
