"""Everything that a decision follows from, beside what was seen: what is remembered of its target, and of the fleet."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from fleet.remediation.actions import Action, Intervention, Step
from fleet.remediation.moments import Moment
from fleet.remediation.observations import Calls, SelfTest

Kind = Literal["web", "tcp", "worker", "scheduled"]
Scope = Literal["everything", "service", "droplet"]


@dataclass(frozen=True, slots=True)
class Target:
    """What is decided about: the fleet, a droplet, or a service on it; always by whole ids, never by a pattern."""

    droplet: int = 0
    """The provider's id; 0: the fleet as a whole."""
    name: str = ""
    """The droplet's name."""
    container: str = ""
    """The service's container name; empty: the droplet itself."""

    @property
    def key(self) -> str:
        """What its memory is kept under."""
        return f"{self.droplet}/{self.container}" if self.container else str(self.droplet)

    def __str__(self) -> str:
        """For people."""
        return f"{self.container} on {self.name}" if self.container else self.name or "the fleet"


FLEET = Target()


def is_called(container: str, name: str) -> bool:
    """Whether a service is meant by a name: by its container's whole name, or by its own in whatever environment."""
    return bool(name) and name in (container, container.rpartition("_")[2])


@dataclass(frozen=True, slots=True)
class DropletFacts:
    """What a droplet is and has, from when it was last known."""

    services: tuple[str, ...] = ()
    """Container names of the services that run on it."""
    names: tuple[str, ...] = ()
    """Names whose DNS records, ours, lead to it."""
    replaceable: bool = False
    """Whether somebody has opted in to its replacement."""
    data: tuple[str, ...] | None = None
    """Volumes that would be lost with it (not those of services declared stateless, nor detachable ones).

    None: nobody could say, which counts as data.
    """
    ill: str = ""
    """Why its agent answers without doing its work, e.g. that its watchdog stands still."""
    changed: Moment | None = None
    """When a person's operation last changed it."""


@dataclass(frozen=True, slots=True)
class Deploy:
    """The last deploy of a service."""

    release: str
    at: Moment
    last_good: str | None = None
    """The release to go back to; None: there is none."""


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """What a service on a droplet is, from when it was last known."""

    kind: Kind = "web"
    release: str = ""
    started: Moment | None = None
    grace: float = 60.0
    """Seconds after its start in which a failure means nothing."""
    deploy: Deploy | None = None
    restarts: tuple[Moment, ...] = ()
    """When the droplet's own watchdog restarted it: its budget is the same as the controller's."""
    changed: Moment | None = None


@dataclass(frozen=True, slots=True)
class Spell:
    """Something that is seen again and again without the contrary, and without a gap."""

    since: Moment
    last: Moment
    count: int = 1


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing more is done about a target until it is well for a while, is deployed anew, or a person lets it go."""

    since: Moment
    why: str
    release: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """What is remembered of one target from round to round."""

    target: Target
    droplet: DropletFacts | None = None
    """Of a droplet: its facts; None: nobody has told any yet."""
    service: ServiceFacts | None = None
    """Of a service."""
    up: Spell | None = None
    """A service that serves; a droplet of which somebody says that it is alive."""
    down: Spell | None = None
    """A service that does not serve; a droplet that enough witnesses call dead, and nobody alive."""
    silent: Spell | None = None
    """A droplet whose agent does not answer."""
    ill: Spell | None = None
    """A droplet whose agent answers that something is wrong; a service that only the edge does not reach."""
    is_down: bool = False
    """Confirmed: it fell, and has not risen since."""
    seen: Moment | None = None
    """The newest observation that was counted."""
    changes: tuple[Moment, ...] = ()
    """When it went up or down lately."""
    steady: Moment | None = None
    """When it had last been up for `limits.STEADY`."""
    steps: tuple[Step, ...] = ()
    hold: Hold | None = None
    away: tuple[str, ...] = ()
    """Names whose records were taken off it, to be given back."""
    told: tuple[str, ...] = ()
    """Alerts in force: each is told when it begins, and not again."""
    last: str = ""
    """What was decided last, in a form in which repetitions are alike."""
    absent: Moment | None = None
    """Since when no round names it."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A person's word that nothing is to be done by itself."""

    scope: Scope
    name: str = ""
    """The service's container name, or its own name in whatever environment; the droplet's name; empty: everything."""
    by: str = ""
    why: str = ""
    since: datetime | None = None
    until: datetime | None = None
    """None: until somebody ends it."""

    def __str__(self) -> str:
        """For people."""
        what = "everything" if self.scope == "everything" else f"the {self.scope} {self.name}"
        end = f" until {self.until:%Y-%m-%d %H:%M} UTC" if self.until else ""
        return f"{what} is paused{end}{f' by {self.by}' if self.by else ''}{f': {self.why}' if self.why else ''}"


@dataclass(frozen=True, slots=True)
class Lease:
    """The lock of a run on a service, as the agents hold it."""

    container: str
    holder: str
    """The run, for people."""
    ours: bool = False
    """Whether it is remediation's own: everybody else's goes first."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A name that leads to a droplet, and how many other hosts of it serve now."""

    name: str
    others: int


@dataclass(frozen=True, slots=True)
class Suspension:
    """Replacements are off until a person turns them on again."""

    since: Moment
    why: str


@dataclass(frozen=True, slots=True)
class Rollback:
    """A release that remediation went back from: once a deploy."""

    container: str
    release: str
    at: Moment


@dataclass(frozen=True, slots=True)
class Fleet:
    """What is the same for all targets of a round."""

    droplets: int = 0
    suspects: int = 0
    """Droplets whose agent does not answer in this round, confirmed or not."""
    self_test: SelfTest = field(default_factory=SelfTest)
    provider: Calls = field(default_factory=Calls)
    interventions: tuple[Intervention, ...] = ()
    """Destructive steps of the last day."""
    suspension: Suspension | None = None


@dataclass(frozen=True, slots=True)
class State:
    """All that a decision about one target may depend on, beside the observations of it and the time."""

    case: Case
    fleet: Fleet
    namesakes: int = 1
    """How many droplets of the round have this id or this name: exactly one, or nothing is done."""
    leases: tuple[Lease, ...] = ()
    """Those on the target's services."""
    pauses: tuple[Pause, ...] = ()
    standings: tuple[Standing, ...] = ()
    """Of the names that lead to the droplet."""
    rollbacks: tuple[Rollback, ...] = ()
    """Of the target's service."""

    @property
    def target(self) -> Target:
        """What is decided about."""
        return self.case.target

    @property
    def droplet(self) -> DropletFacts:
        """The droplet's facts; those of one that is not known yet promise nothing."""
        return self.case.droplet or DropletFacts()

    @property
    def service(self) -> ServiceFacts:
        """The service's facts."""
        return self.case.service or ServiceFacts()

    def took(self, action: Action) -> tuple[Step, ...]:
        """The steps of this kind that were taken on the target."""
        return tuple(step for step in self.case.steps if step.action == action)
