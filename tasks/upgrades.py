"""Another version of the agent for droplets that are there: sent, tried by the droplet itself, confirmed from here."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from prefect import get_run_logger, unmapped

from agent import wire
from agent.client import AgentClient
from blocks.environment import Environment
from fleet import naming
from fleet.errors import DeployerError, InvalidInput, PermanentError, TransientError
from fleet.state import Droplet
from fleet.upgrades import AgentSeen, UpgradePlan, plan_upgrade
from tasks import locks, snapshots
from tasks.agents import reach
from tasks.bake import wheelhouse
from tasks.policy import gather, step
from tasks.waits import wait_for

UNDER_WAY = ("ordered", "installing", "trial", "proven")
ENDED = ("proven", "upgraded", "returned", "failed")
TRIAL_DEADLINE = timedelta(minutes=10)
"""Installing, and the minute that the droplet gives the new version, with the way back."""
CONFIRM_DEADLINE = timedelta(minutes=1)
POLL = timedelta(seconds=1)


class Returned(PermanentError):
    """The droplet went back to the version before; `log` holds the last lines of the one that failed."""

    def __init__(self, message: str, *, hint: str, log: str) -> None:
        super().__init__(message, hint=hint)
        self.log = log


@dataclass(frozen=True)
class Package:
    """A version of the agent, ready to be sent."""

    version: str
    wheel: str
    dependencies: str
    small: bytes = field(repr=False)
    """The agent alone, for a droplet that has what it needs."""
    whole: bytes = field(repr=False)


@step("the agent's wheel")
def package(wheel: str) -> Package:
    """This controller's own agent, or the one in a wheel that somebody built; everything it needs is this lock's.

    Raises:
        InvalidInput: the file is no wheel of the agent.
        TransientError: pip could not build or fetch; the message shows its last lines.
    """
    path = _check_wheel(Path(wheel)) if wheel else wheelhouse.agent_wheel(snapshots.log)
    needed = wheelhouse.dependencies(snapshots.log)
    pip = [one for one in needed if one.name.startswith("pip-")]
    return Package(
        version=wheelhouse.version_of(path),
        wheel=_digest(path.read_bytes()),
        dependencies=_digest(wheelhouse.read_lock().encode()),
        small=_bundle(path, pip, wheelhouse.requirement(path)),
        whole=_bundle(path, needed, wheelhouse.requirements(path)),
    )


@step("{environment.project}-{environment.name}: ask every agent for its version")
def observe(environment: Environment) -> list[AgentSeen]:
    """What runs on every droplet of the environment; one that does not say is among them, with the reason."""
    found = environment.digitalocean.client().droplets.read_tagged(naming.environment_tag(environment.spec()))
    return locks.at_once(lambda droplet: _ask(droplet, environment), found)


@step("plan the upgrade to {package.version}", retries=0)
def decide(seen: list[AgentSeen], package: Package) -> UpgradePlan:
    """Which droplets get it, and which one first; also as lines in the log."""
    plan = plan_upgrade(seen, package.version, package.wheel)
    for line in plan.lines():
        get_run_logger().info("plan: %s", line)
    return plan


@step("{seen.droplet.name}: upgrade the agent", timeout=TRIAL_DEADLINE * 2)
def upgrade(seen: AgentSeen, package: Package, who: str, environment: Environment) -> str:
    """Has the droplet try the version, and confirms it from here; gives what was done, in words.

    The containers run on. An upgrade to the same version that was begun already is gone on with.

    Raises:
        Returned: the droplet has its old version again.
        Leased: another run changes a service there, or upgrades the agent.
    """
    droplet = seen.droplet
    with reach(environment, droplet, any_version=True) as agent:
        now = agent.upgrades.read()
        under_way = now.phase in UNDER_WAY
        if not under_way and now.installed.wheel == package.wheel:
            return "had it already"
        if not (under_way and now.wheel == package.wheel):
            _order(agent, package, now.installed.dependencies == package.dependencies, who)
    ended = wait_for(f"the trial on {droplet.name}", lambda: _ended(droplet, environment), TRIAL_DEADLINE, POLL)
    if ended.phase in ("returned", "failed"):
        raise _returned(droplet, ended)
    _confirm(droplet, package, environment)
    return f"{seen.version or now.installed.version} → {package.version}"


def upgrade_all(
    seen: Sequence[AgentSeen], package: Package, environment: Environment, patience: timedelta
) -> dict[str, str]:
    """All of these at the same time; what was done, by droplet.

    Raises:
        HostsFailed: some have not the version; the message names each with its reason.
    """
    names = [one.droplet.name for one in seen]
    attempt = locks.patient(upgrade, time.monotonic() + patience.total_seconds(), patience)
    futures = attempt.map(seen, unmapped(package), unmapped(locks.holder()), unmapped(environment))
    return dict(zip(names, gather("Upgrading agents", names, futures), strict=True))


def check_silent(plan: UpgradePlan) -> None:
    """Every droplet has the version, as far as anybody knows.

    Raises:
        PermanentError: some did not say; their agents are as they were.
    """
    if plan.silent:
        told = "".join(f"\n  {one.droplet.name}: {one.error}" for one in plan.silent)
        raise PermanentError(f"Nothing was done to {len(plan.silent)} droplets:{told}", hint="Run this again later.")


def _ask(droplet: Droplet, environment: Environment) -> AgentSeen:
    if not naming.is_our_droplet(droplet.tags):
        return AgentSeen(droplet, error="it was not made here")
    try:
        with reach(environment, droplet, any_version=True) as agent:
            found = agent.upgrades.read()
    except PermanentError as error:
        return AgentSeen(droplet, error=f"{error.message} Is its snapshot older than upgrades? Then use `roll`.")
    except DeployerError as error:
        return AgentSeen(droplet, error=error.message)
    one = found.installed
    return AgentSeen(droplet, one.version, one.wheel, one.dependencies, found.phase in UNDER_WAY)


def _order(agent: AgentClient, package: Package, small: bool, who: str) -> None:
    bundle = package.small if small else package.whole
    order = wire.UpgradeOrder(
        version=package.version, wheel=package.wheel, bundle=_digest(bundle), whole=not small, holder=who
    )
    agent.upgrades.order(order, bundle)


def _ended(droplet: Droplet, environment: Environment) -> wire.Upgrade | None:
    """The trial once it is over; silence is a part of it."""
    try:
        with reach(environment, droplet, any_version=True) as agent:
            now = agent.upgrades.read()
    except TransientError:
        return None
    return now if now.phase in ENDED else None


def _confirm(droplet: Droplet, package: Package, environment: Environment) -> None:
    """Keep it, once it has said how the whole droplet is."""
    with reach(environment, droplet) as agent:
        agent.node()
        agent.upgrades.confirm(package.wheel)

    def look() -> wire.Upgrade | None:
        found = _ended(droplet, environment)
        return None if found is None or found.phase == "proven" else found

    last = wait_for(f"{droplet.name} to keep the new version", look, CONFIRM_DEADLINE, POLL)
    if last.phase != "upgraded":
        raise _returned(droplet, last)


def _returned(droplet: Droplet, ended: wire.Upgrade) -> Returned:
    was = "runs again" if ended.phase == "returned" else "still runs"
    return Returned(
        f"{droplet.name}: version {ended.version} of the agent is no good: {ended.reason}. "
        f"Version {ended.installed.version} {was}, and no container noticed.",
        hint="See `journalctl -u deployer-upgrade` in the droplet's console.",
        log=ended.log,
    )


def _bundle(agent_wheel: Path, needed: Sequence[Path], requirements: str) -> bytes:
    files = {f"wheels/{one.name}": one.read_bytes() for one in [*needed, agent_wheel]}
    return wheelhouse.pack(
        {**files, "requirements.txt": requirements.encode(), "agent.json": wheelhouse.identity(agent_wheel)}
    )


def _check_wheel(path: Path) -> Path:
    try:
        with ZipFile(path) as archive:
            good = path.name.startswith("deployer_agent-") and "agent/server/app.py" in archive.namelist()
    except (OSError, BadZipFile) as error:
        raise InvalidInput(f"{path} cannot be read as a wheel: {error}.", hint="Leave `wheel` empty.") from error
    if not good:
        raise InvalidInput(f"{path} is no wheel of the agent.", hint="Leave `wheel` empty.")
    return path


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
