"""What is wrong, or will be, with a controller and its fleet: judged from what was read, and with what to do. Pure.

Nothing here acts, and nothing acts on it: it is for a person who asks how things are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from fleet import naming
from fleet.firewalls import plan_firewall
from fleet.pruning import DOLLARS_PER_GIGABYTE, Use
from fleet.retirement import retired_at
from fleet.spec import EnvironmentSpec
from fleet.state import Droplet, Firewall, Record, Rule, Snapshot, World

Severity = Literal["error", "warning", "notice"]
"""`error`: somebody could come in, or something does not work. `warning`: it will, or it costs. `notice`: to know."""
SHORTEST: Final = 12
"""Characters of a password that nobody guesses."""
GUESSED: Final = frozenset(
    {"admin", "password", "passwort", "prefect", "deployer", "changeme", "secret", "root", "test"}
)
LATE: Final = timedelta(minutes=5)
"""A scheduled run that waits longer than this will not start by itself."""
BAKING: Final = timedelta(hours=3)
"""A droplet of a bake that is older than this is one that nobody removed."""
ENDING: Final = timedelta(days=21)
"""What ends sooner is told."""
_WORDS: Final[Mapping[str, Severity]] = {"unhealthy": "error", "degraded": "warning", "unknown": "notice"}
_ORDER: Final[tuple[Severity, ...]] = ("error", "warning", "notice")
_VITALS: Final = {
    "certificate": "Make it anew: roll the droplet (`roll`).",
    "clock": "See whether its systemd-timesyncd runs; locks do not depend on it, but logs and schedules do.",
    "disk": "See docs/faults.md for a full disk; `undeploy` or a larger size makes room.",
    "memory": "Give its services less, or the environment a larger size.",
}


@dataclass(frozen=True)
class Ill:
    """One thing that was found."""

    severity: Severity
    what: str
    where: str
    advice: str
    dollars: float = 0.0
    """What it costs a month; 0: nothing, or nobody knows."""


@dataclass(frozen=True)
class Login:
    """How the controller's door is locked; the password itself is not here."""

    name: str
    length: int
    guessed: bool
    """Whether the password is a usual one, or the name."""
    open: bool = False
    """Whether the server answers without it."""
    readable: str = ""
    """The settings' file, where others on the machine may read it."""


@dataclass(frozen=True)
class Schedule:
    """What runs by itself."""

    name: str
    paused: bool = False
    active: int = 1
    """How many of its schedules are on."""
    due: datetime | None = None
    """When its next run is to start; None: none is planned."""


@dataclass(frozen=True)
class Agent:
    """What a droplet's agent says of itself and of the droplet."""

    droplet: str
    version: str = ""
    vitals: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Verdict and reason, by what is judged."""
    empty: bool = False
    """Whether nothing of ours, and nothing of others, is on it."""
    error: str = ""
    """Why nothing is known of it."""


@dataclass(frozen=True)
class Token:
    """What the providers tell of an environment's two tokens."""

    missing: tuple[str, ...] = ()
    """Scopes that DigitalOcean's lacks."""
    excess: tuple[str, ...] = ()
    """What DigitalOcean's may read beyond need."""
    zones: tuple[str, ...] = ()
    """Zones that Cloudflare's sees beside its own."""
    expires: datetime | None = None
    """When Cloudflare's ends; None: never, or nobody knows."""


def usual(name: str, password: str) -> bool:
    """Whether a password is among the first that anybody tries."""
    return password.lower() in GUESSED | {name.lower(), f"{name}123".lower(), ""}


def check_login(login: Login) -> Iterator[Ill]:
    """A door that is open, or soon is."""
    change = "Put another one into DEPLOYER_ADMIN_LOGIN (.env), then `python -m deployments down` and `up`."
    if login.open:
        yield Ill("error", "the Prefect server answers without a login", "controller", "Start it by `up` again.")
    if login.guessed:
        yield Ill("error", f"the password of {login.name} is one that is guessed first", "controller", change)
    elif login.length < SHORTEST:
        yield Ill("warning", f"the password of {login.name} has {login.length} characters", "controller", change)
    if login.readable:
        yield Ill(
            "error", "others on this machine can read the settings", login.readable, f"chmod 600 {login.readable}"
        )


def check_schedules(schedules: Iterable[Schedule], worker: bool, now: datetime) -> Iterator[Ill]:
    """What should run by itself, and does not."""
    if not worker:
        yield Ill("error", "no worker takes runs", "controller", "Start it: `python -m deployments up`.")
    for one in schedules:
        if one.paused or not one.active:
            yield Ill(
                "warning", f"{one.name} is paused", "Deployments in the UI", "Switch it on, if nobody wants that."
            )
        elif one.due is None:
            advice = "See the server's log; `python -m deployments apply` registers schedules anew."
            yield Ill("error", f"no run of {one.name} is planned", "controller", advice)
        elif now - one.due > LATE:
            waits = f"{one.name} should have run {(now - one.due).total_seconds() / 60:.0f} minutes ago"
            yield Ill("error", waits, "controller", "See whether the worker runs: `python -m deployments status`.")


def check_tokens(token: Token, environment: str, now: datetime) -> Iterator[Ill]:
    """Tokens that may too little, or more than is needed, or end, as far as the providers' answers tell."""
    if found := ", ".join(token.missing):
        advice = "Make one that may, and run `python -m deployments rotate-tokens digitalocean`."
        yield Ill("error", f"the DigitalOcean token lacks {found}", environment, advice)
    if found := ", ".join(token.excess):
        advice = "Make one with the scopes that README.md names; `python -m deployments rotate-tokens digitalocean`."
        yield Ill("warning", f"the DigitalOcean token may also read {found}", environment, advice)
    another = "Make one for this zone alone (Zone Read, DNS Edit); `python -m deployments rotate-tokens cloudflare`."
    if found := ", ".join(token.zones):
        yield Ill("warning", f"the Cloudflare token sees other zones: {found}", environment, another)
    if token.expires and token.expires - now < ENDING:
        days = max((token.expires - now).days, 0)
        yield Ill("warning", f"the Cloudflare token ends in {days} days", environment, another)


def check_firewalls(world: World, walls: Iterable[Firewall], spec: EnvironmentSpec) -> Iterator[Ill]:
    """Ports that are open to more than they should be, by whatever firewall: the rules of all of them add up."""
    title, tag = naming.environment(spec), naming.environment_tag(spec)
    if not world.hosts:
        return
    plan = plan_firewall(world, spec)
    around = [one for one in walls if {tag, naming.TAG} & set(one.tags)]
    if not any(one.name == plan.name for one in around):
        yield Ill(
            "error", "its droplets have no firewall: every port is open", title, "Deploy a service: that makes it."
        )
    allowed = {(rule.ports, who) for rule in plan.inbound for who in _who(rule)}
    for wall in around:
        loose = sorted({(rule.ports, who) for rule in wall.inbound for who in _who(rule)} - allowed)
        if loose:
            told = ", ".join(f"{ports or 'all'} to {who}" for ports, who in loose[:5])
            ours = wall.name == plan.name
            advice = "The next deploy mends it." if ours else "Take our tags off it in the control panel, or delete it."
            yield Ill("error", f"the firewall {wall.name} opens {told}", title, advice)


def check_agents(agents: Iterable[Agent], version: str, environment: str) -> Iterator[Ill]:
    """Droplets that do not answer, have another agent, or are not well."""
    for one in agents:
        if one.error:
            yield Ill("error", f"its agent cannot be asked: {one.error}", one.droplet, "See the health table.")
            continue
        if one.version != version:
            told = f"its agent is {one.version}, this controller's is {version}"
            yield Ill("warning", told, one.droplet, "Run `upgrade-agents`.")
        for name, (word, reason) in sorted(one.vitals.items()):
            if word in _WORDS:
                yield Ill(_WORDS[word], f"{name}: {reason}", one.droplet, _VITALS.get(name, "See the health table."))


@dataclass(frozen=True)
class Account:
    """What an account holds, and what of it is known here."""

    droplets: tuple[Droplet, ...]
    snapshots: tuple[Snapshot, ...]
    records: tuple[Record, ...]
    """Those of ours."""
    prices: Mapping[str, float]
    """Dollars a month, by size."""
    environments: frozenset[str]
    """Tags of the environments that have a block."""
    empty: frozenset[str]
    """Names of droplets that nothing is on."""
    use: Use


def check_orphans(account: Account, now: datetime) -> Iterator[Ill]:
    """What is ours, costs, and serves nobody; and records that lead nowhere."""
    for one in account.droplets:
        if told := _orphan(one, account, now):
            what, advice = told
            yield Ill("warning", what, one.name, advice, account.prices.get(one.size, 0.0))
    for snapshot in account.snapshots:
        if naming.snapshot_state(snapshot.tags) in ("rejected", "unproven") and now - snapshot.created_at > BAKING:
            state = naming.snapshot_state(snapshot.tags)
            price = snapshot.size_gigabytes * DOLLARS_PER_GIGABYTE
            if not account.use.of(snapshot):
                yield Ill("warning", f"a snapshot that is {state}", snapshot.name, "Run `prune-snapshots`.", price)
    addresses = {one.public_address for one in account.droplets}
    for record in account.records:
        if record.content not in addresses:
            what = f"{record.name} points at {record.content}, which is no droplet of the account any more"
            yield Ill("error", what, "DNS", "Whoever gets that address next gets its visitors: deploy, or delete it.")


def in_order(found: Iterable[Ill]) -> list[Ill]:
    """The worst first, then by place."""
    return sorted(found, key=lambda one: (_ORDER.index(one.severity), one.where, one.what))


def _orphan(one: Droplet, account: Account, now: datetime) -> tuple[str, str] | None:
    if any(tag.startswith(f"{naming.BAKE_TAG}:") or tag == naming.BAKE_TAG for tag in one.tags):
        old = now - one.created_at > BAKING
        return ("a bake has left it", "Run `build-snapshot` of the same name again, or destroy it.") if old else None
    if not naming.is_our_droplet(one.tags) or retired_at(one.tags):
        return None  # what was retired goes by itself
    if not one.tags & account.environments:
        return "it is of an environment that has no block here", "Make its Environment block, and `adopt` it."
    if one.status == "off":
        return "it is off, and is paid for all the same", "Switch it on, or `undeploy` with `destroy_empty`."
    if one.name in account.empty:
        return "nothing is on it", "Run `undeploy` with `destroy_empty`, or deploy something."
    return None


def _who(rule: Rule) -> tuple[str, ...]:
    return (*rule.addresses, *(f"droplets tagged {tag}" for tag in rule.tags))
