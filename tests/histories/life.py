"""The life of an environment in memory: what it was asked for, who else is there, and how each run ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from blocks.service import Service
from fleet.errors import DeployerError
from tests.fakes.router import Killed
from tests.flows.fleet_of_fakes import ZONE, Fleet
from tests.flows.ward import grown
from tests.histories import rules
from tests.histories.lane import Lane
from tests.histories.rules import Names, Watch
from tests.histories.trouble import Trouble, suffering
from tests.histories.view import places, records

WALL = "deployer-demo.prod"
"""What our firewall is called."""
Ended = Literal["done", "failed", "killed", "cancelled"]
WEB = ("hello", "shop", "store")
"""Services that have visitors."""
KINDS: dict[str, dict[str, Any]] = {
    "store": {"volumes": [{"name": "data", "path": "/data"}]},
    "cache": {"runs": {"kind": "tcp", "port": 6379, "start_seconds": 5}},
    "crank": {"runs": {"kind": "worker", "steady_seconds": 1}},
    "ticker": {"runs": {"kind": "worker", "exclusive": True, "steady_seconds": 1}},
    "nightly": {"runs": {"kind": "scheduled", "cron": "30 4 * * *"}},
}
"""What makes the services that are no web services without data, by name."""
SERVICES = ("hello", "shop", *KINDS)


@dataclass(frozen=True)
class Wanted:
    """A service as a person wants it; its name says of which kind it is."""

    name: str = "hello"
    content: str = "a"
    replicas: int = 1
    hosts: tuple[str, ...] = ("",)
    """What its names begin with, apart from its own name."""

    @property
    def names(self) -> Names:
        """The names that it serves."""
        return frozenset(f"{host}{self.name}.{ZONE}" for host in self.hosts if self.name in WEB)

    @property
    def droplets(self) -> int:
        """On how many droplets it runs: some kinds may run on one only, which a deploy to more refuses at the door."""
        return 1 if self.name in rules.ALONE else self.replicas

    def block(self, fleet: Fleet) -> Service:
        """The block that somebody would fill in, with the folder that its image is built from."""
        fleet.write(f"{self.name} {self.content}")
        runs = {"port": 8080, "domains": sorted(self.names), "start_seconds": 5}
        given = {"runs": runs, "memory_mib": 64, **KINDS.get(self.name, {})}
        return fleet.service(self.droplets, name=self.name, **given)


@dataclass
class Life:
    """One environment, from its first run to its last."""

    lane: Lane
    wanted: dict[str, Wanted] = field(default_factory=dict)
    """The services that somebody has tried to deploy, as they were wanted last."""
    failure: Exception | None = None
    """Why the last run failed."""
    ends: list[Ended] = field(default_factory=list)
    """How each run so far has ended."""

    def __post_init__(self) -> None:
        self.watch = Watch(self.lane)
        self.fleet.droplets._boot = grown(self.fleet.droplets._boot)  # a worker is steady as soon as it runs
        self.lane.listeners.append(lambda _: self._look())
        self.fleet.dns.add(f"www.{ZONE}", "198.51.100.9", "a web server of our own")

    @property
    def fleet(self) -> Fleet:
        """The fleet that is open."""
        return self.lane.fleet

    @property
    def clear(self) -> bool:
        """Whether nothing is in the way of a run: nobody is silent or boots, and nothing foreign has a name of ours."""
        foreign, walls, droplets = rules.theirs(self.lane)
        names = {name for one in self.wanted.values() for name in one.names}
        taken = ({one.name for one in foreign} | {one.name for one in walls}) & {*names, WALL}
        booting = any(one.status == "new" for one in self.fleet.droplets.all.values())
        return not (taken or droplets or booting) and all(one.machine.answers for one in places(self.fleet))

    @property
    def visited(self) -> Names:
        """The names that visitors come to now, and are served at."""
        at = {one.machine.address: one for one in places(self.fleet)}
        found = records(self.fleet)
        return frozenset(one.name for one in found if one.content in at and at[one.content].serves(one.name))

    @property
    def changes(self) -> list[str]:
        """What was changed so far; a build of the same image is none."""
        return [call for call in self.fleet.changes if call != "engine.build"]

    def run(self, call: Callable[[], None], keeping: Names = frozenset(), trouble: Trouble | None = None) -> Ended:
        """A run, with whatever goes wrong in it; what must never be broken is looked at all the time."""
        others, self.failure = rules.theirs(self.lane), None
        self.watch.keeping = keeping & self.visited
        self.lane.runs.artifacts.clear()
        try:
            with suffering(trouble, self.lane):
                call()
            ended: Ended = "done"
        except Killed:
            ended = "killed"
        except KeyboardInterrupt:
            ended = "cancelled"
        except DeployerError as error:
            ended, self.failure = "failed", error
        self.ends.append(ended)
        self._look()
        self.watch.keeping = frozenset()
        assert not self.watch.broken, list(self.watch.broken)
        assert rules.theirs(self.lane) == others, "what others have made was changed"
        assert rules.twice(self.lane) == []
        return ended

    def report(self, key: str) -> str:
        """What the last run told people; empty if it came to no report."""
        return self.lane.runs.artifacts.get(key, "")

    def unchanged(self, call: Callable[[], None], keeping: Names = frozenset()) -> None:
        """The same run once more, which finds that there is nothing to do."""
        changes = self.changes
        ended = self.run(call, keeping)
        assert self.changes == changes, f"done once more: {Counter(self.changes) - Counter(changes)}"
        assert ended == "done" or not self.clear, self.failure

    def _look(self) -> None:
        self.watch.everywhere()
        self.watch.look()
