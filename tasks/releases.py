"""A release comes to all droplets of a service or to none: what undoes the steps of a change that failed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from prefect import get_run_logger

from agent import wire
from agent.client import AgentClient
from blocks.environment import Environment
from fleet.errors import DeployerError, PermanentError
from fleet.state import Before, Container, Droplet, Record
from tasks import agents, dns
from tasks.agents import reach
from tasks.containers import LONGEST
from tasks.locks import Lock
from tasks.plans import Order
from tasks.policy import SIGNALS, gather, reason, settle, step

UNDONE = (Exception, *SIGNALS)
"""What a change is taken back for: a failure, and an end from outside, such as *Cancel* in the UI, which leaves a run
half a minute before its process is killed."""
OVERTAKEN = "its lock was lost: nothing was taken back, and what serves may be another run's work"
"""What the report of a run says that was overtaken."""
MOST = 20
"""All that a droplet may keep: what a failure leaves is for the next run to tidy up."""


class HalfDone(PermanentError):
    """A change failed, and so did a part of its undoing; `left` says what is how, by droplet or by `DNS`."""

    def __init__(self, error: BaseException, left: dict[str, str], what: str = "deploy") -> None:
        lines = "".join(f"\n  {where}: {state}" for where, state in sorted(left.items()))
        super().__init__(
            f"{reason(error)}\nNot everything could be taken back:{lines}\n",
            hint=f"Nothing has to be done by hand: run the {what} again, and it goes on from here.",
        )
        self.left = left


class LockLost(PermanentError):
    """A change failed without its lock: nothing was taken back, because what serves may be another run's work."""

    def __init__(self, error: BaseException, flow: str) -> None:
        super().__init__(
            f"{reason(error)}\nThe lock was lost meanwhile, so that nothing was taken back: what serves now may be "
            "another run's work.",
            hint=f"See what serves, and run the {flow} again if that is not what you want.",
        )


@contextmanager
def undoing(lock: Lock, what: str, undo: Callable[[], dict[str, str]], flow: str = "deploy") -> Iterator[None]:
    """Calls `undo` when what is inside fails or the run is cancelled; the error goes on afterwards.

    Args:
        lock: nothing is undone once it is lost.
        what: has failed, in words for the log.
        undo: gives what could not be taken back, by where.
        flow: what finishes the change when it is run again.

    Raises:
        HalfDone: not everything could be taken back.
        LockLost: another run may have taken over.
    """
    try:
        yield
    except UNDONE as error:
        if not lock.holds():
            raise LockLost(error, flow) from error
        get_run_logger().error("%s: taking every one of them back.", what)
        if left := undo():
            raise HalfDone(error, left, flow) from error
        raise


@contextmanager
def all_or_none(
    order: Order,
    lock: Lock,
    hosts: Sequence[Droplet],
    before: Before,
    release: str,
    environment: Environment,
    *,
    new: bool = True,
) -> Iterator[None]:
    """Takes every droplet and DNS back to what was `before`, when what is inside fails or the run is cancelled; the
    error goes on afterwards.

    Args:
        new: whether the release is a new one: then it stays where it failed as evidence, and nobody goes back to it.

    Raises:
        HalfDone: not everything could be taken back.
    """
    undo = partial(take_back, order, lock, hosts, before, release, environment, new=new)
    with undoing(lock, f"{release} did not come to all droplets", undo):
        yield


def take_back(
    order: Order,
    lock: Lock,
    hosts: Sequence[Droplet],
    before: Before,
    release: str,
    environment: Environment,
    *,
    new: bool,
) -> dict[str, str]:
    """The release off every droplet; gives what could not be taken back, in words.

    Records that are new go first, so that none leads to a droplet that is about to stop serving its name; those that
    went come back last, once their droplet serves it again.
    """
    left: dict[str, str] = {}
    hidden = _hide(order, lock, before, environment, left)
    changed = [host for host in hosts if before.releases.get(host.name) != release]
    futures = [
        restore.submit(host, lock, release, _way_back(host, before, release if new else None), hidden, environment)
        for host in changed
    ]
    results, failures = settle([host.name for host in changed], futures)
    left |= {name: state for name, state in results.items() if state}
    left |= {
        host.name: f"{_seen(host, order.container, before, environment)} ({reason(failures[host.name])})"
        for host in changed
        if host.name in failures
    }
    _show(order, lock, [host for host in hosts if host.name not in left], before, environment, left)
    for where, state in left.items():
        get_run_logger().error("%s could not be taken back: %s", where, state)
    return left


@step("{droplet.name}: take {release} back", timeout=LONGEST)
def restore(
    droplet: Droplet, lock: Lock, release: str, back: wire.Rollback | None, hidden: bool, environment: Environment
) -> str:
    """What was before, current again; gives what is not so, in words.

    A release that failed is stopped, and stays as a candidate, as evidence; one that runs would go on using its memory.
    Where there was nothing before, the release goes, once no record leads to it any more (`hidden`).
    """
    name = lock.name
    with reach(environment, droplet, fencing=lock.number(droplet)) as agent:
        if back is not None:
            agent.rollback(name, back)
        elif _has(agent, name, release, "current") and not hidden:
            return f"serves {release}, as records may still lead to it"
        elif _has(agent, name, release, "current"):
            agent.remove(name)
        if _runs(agent, name, release, "candidate"):
            agent.remove_candidate(name)
        if _runs(agent, name, release, "previous") or _runs(agent, name, release, "kept"):
            agent.retire(name, wire.Retire(keep=MOST))
    return ""


def _way_back(host: Droplet, before: Before, failed: str | None) -> wire.Rollback | None:
    """What the droplet is to have again; None where the service was not there before."""
    was = before.releases.get(host.name)
    return wire.Rollback(release=was, failed=failed, previous=before.previous.get(host.name)) if was else None


def _has(agent: AgentClient, name: str, release: str, role: wire.Role) -> Container | None:
    found = (agents.container(seen) for seen in agent.containers().containers)
    return next((one for one in found if (one.name, one.release, one.role) == (name, release, role)), None)


def _runs(agent: AgentClient, name: str, release: str, role: wire.Role) -> bool:
    found = _has(agent, name, release, role)
    return found is not None and found.runs


def _hide(order: Order, lock: Lock, before: Before, environment: Environment, left: dict[str, str]) -> bool:
    """Whether no record is left that the change made."""
    try:
        added = [one for one in dns.list_ours(order, environment) if one not in before.records]
        if added:
            lock.confirm()  # no agent guards DNS
            dns.unpoint_all(added, environment)
            dns.let_forget(added)
    except Exception as error:  # every droplet is still to be dealt with; the run fails by its own error
        left["DNS"] = f"records that this run made may still be there ({reason(error)})"
        return False
    return True


def _show(
    order: Order, lock: Lock, back: Sequence[Droplet], before: Before, environment: Environment, left: dict[str, str]
) -> None:
    """The records to these droplets that the change had removed."""
    addresses = {host.public_address for host in back if host.name in before.releases}
    wanted = [one for one in before.records if one.type == "A" and one.content in addresses]
    if not wanted or "DNS" in left:
        return
    try:
        there = {(one.name, one.content) for one in dns.list_ours(order, environment)}
        missing = [one for one in wanted if (one.name, one.content) not in there]
        if missing:
            lock.confirm()  # no agent guards DNS
            _restore_records(missing, environment)
    except Exception as error:  # the run fails by its own error
        left["DNS"] = f"records that were there before may be missing ({reason(error)})"


def _restore_records(records: Sequence[Record], environment: Environment) -> None:
    labels = [f"{one.name} to {one.content}" for one in records]
    gather("Bringing records back", labels, [dns.restore.submit(one, environment) for one in records])


def _seen(host: Droplet, name: str, before: Before, environment: Environment) -> str:
    """What serves on a droplet that could not be taken back, in words."""
    was = before.releases.get(host.name)
    wanted = f"instead of {was}" if was else "although it served nothing before"
    try:
        with reach(environment, host) as agent:
            found = (agents.container(seen) for seen in agent.containers().containers)
            current = next((one for one in found if (one.name, one.role) == (name, "current")), None)
    except DeployerError:
        return f"could not be looked at; it served {was or 'nothing'} before, and goes on with what it serves now"
    if current is None:
        return f"serves nothing {wanted}" if was else "serves nothing, as before, but was not tidied up"
    if current.release == was:
        return f"serves {was}, as before, but was not tidied up"
    return f"serves {current.release} {wanted}"
