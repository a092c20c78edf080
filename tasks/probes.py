"""Every snapshot is proven before it is offered: a droplet boots from it, and is examined."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from agent import wire
from agent.client import AgentUnreachable, takes_boot_secret
from blocks.environment import Environment
from fleet import examination, lineage, naming
from fleet.errors import PermanentError, Refused, TransientError
from fleet.examination import BASE_IMAGE, SSH_PORT, Examination, Origin, Seen
from fleet.lineage import Lineage
from fleet.state import Droplet, Snapshot
from tasks import snapshots
from tasks.agents import reach, ring_of
from tasks.bake import BakeReport
from tasks.policy import step
from tasks.snapshots import SnapshotOrder
from tasks.userdata import KeyPair
from tasks.waits import Overdue, wait_for
from tasks.workbench import Bench, workbench

Kind = Literal["base", "custom"]
ANSWER_DEADLINE = timedelta(minutes=4)
"""A droplet that has not answered well by then is not fit to serve, whatever the reason."""
POLL = timedelta(seconds=1)
SSH_SECONDS = 3.0


@dataclass(frozen=True)
class Made:
    """A snapshot that was just taken, and what it was taken of."""

    snapshot: Snapshot
    origin: Origin


@dataclass(frozen=True)
class Proven:
    """A snapshot that is ready, and the packages in it; none where this run has not examined it."""

    snapshot: Snapshot
    packages: Mapping[str, str] = field(default_factory=dict)


def prove(made: Made, order: SnapshotOrder, environment: Environment) -> Proven:
    """Boots a droplet from the snapshot, and makes it ready, or rejected.

    Raises:
        PermanentError: it was rejected; the message says why.
    """
    seen, found = look(made.snapshot, order, made.origin, environment)
    reasons = examination.judge(made.origin, seen, found)
    known = replace(_lineage(made.origin, seen, found), about=order.description)
    if reasons:
        told = "; ".join(reasons)
        snapshots.conclude(made.snapshot, naming.REJECTED_TAG, replace(known, reason=told), environment.digitalocean)
        raise PermanentError(
            f"The snapshot {order.name} was rejected, and is not offered: {told}.",
            hint="Mend what it is made from and run this again: the next run replaces it.",
        )
    ready = snapshots.conclude(made.snapshot, naming.READY_TAG, known, environment.digitalocean)
    return Proven(ready, found.packages if found else {})


def look(
    snapshot: Snapshot, order: SnapshotOrder, origin: Origin, environment: Environment
) -> tuple[Seen, Examination | None]:
    """What a droplet from the snapshot shows, from outside and from inside; it is gone afterwards."""
    bench = Bench(order.probe, snapshot.id, ports=(str(wire.PORT),), keep_failed=order.keep_failed)
    with workbench(bench, snapshots.user_data(environment), environment) as droplet:
        seen = first_answer(droplet, environment)
        if seen.seconds is None:
            return seen, None
        try:
            return seen, examine(droplet, origin, environment)
        except PermanentError as error:
            return replace(seen, trouble=error.message), None


@step("{droplet.name}: first healthy answer", timeout=ANSWER_DEADLINE + timedelta(minutes=1))
def first_answer(droplet: Droplet, environment: Environment) -> Seen:
    """How long the droplet took until its agent answered with a key of its own, and Docker and nginx were well."""
    last: list[str] = []

    def answers() -> bool | None:
        try:
            with reach(environment, droplet) as agent:
                node = agent.node()
        except TransientError as error:
            last[:] = [error.message]
            return None
        last[:] = [f"{one.reason}" for one in (node.docker, node.nginx) if one.verdict != "healthy"]
        return None if last else True

    try:
        wait_for(f"a healthy answer of {droplet.name}", answers, ANSWER_DEADLINE, POLL)
    except Overdue as error:
        return Seen(None, " ".join([error.message, "Last seen:", *last]))
    except Refused as error:
        return Seen(None, error.message)
    seconds = max((datetime.now(UTC) - droplet.created_at).total_seconds(), 0.0)
    return Seen(
        round(seconds, 1),
        ssh_answers=_ssh_answers(droplet.public_address or ""),
        boot_secret_lives=_boot_secret_lives(droplet, environment),
    )


@step("{droplet.name}: examine", timeout=timedelta(minutes=6))
def examine(droplet: Droplet, origin: Origin, environment: Environment) -> Examination:
    """What the droplet says of itself; the marks travel to it, and stay in memory there."""
    question = wire.Examine(
        marks=tuple(text for _, text in origin.marks), image=BASE_IMAGE if origin.kind == "custom" else ""
    )
    with reach(environment, droplet) as agent:
        version, found = agent.ping().version, agent.examine(question)
    return Examination(
        machine=found.machine,
        host_keys=found.host_keys,
        listening=found.listening,
        ssh=found.ssh,
        leftovers=found.leftovers,
        nginx=found.nginx,
        docker=found.docker,
        image=found.image,
        packages=found.packages,
        found=tuple((one.mark, one.path) for one in found.found),
        agent=version,
    )


def baked(report: BakeReport, bake_key: KeyPair, host_key: KeyPair) -> Origin:
    """What a base may not share with the droplet that it was baked on: the keys of its one SSH contact."""
    bodies = [(f"the {what} key", line) for what, key in _named(bake_key, host_key) for line in _body(key.private)]
    marks = (*bodies, ("the bake's public key", bake_key.public.split()[1]))
    return Origin("base", report.machine, (wire.fingerprint(host_key.public.encode()),), marks)


def built(droplet: Droplet, parent: str, environment: Environment) -> Origin:
    """What a custom snapshot may not share with the droplet that it was built on: its secrets and its identity."""
    here = examine(droplet, Origin("base", ""), environment)
    ring, of = ring_of(environment, droplet), "that it was built on"
    marks = (
        *((f"a secret of the droplet {of}", one.secret) for one in ring.openings(droplet.name)),
        *((f"a boot secret of the droplet {of}", one) for one in ring.boots(droplet.name)),
    )
    return Origin("custom", here.machine, here.host_keys, marks, parent)


def _lineage(origin: Origin, seen: Seen, found: Examination | None) -> Lineage:
    if found is None:
        return Lineage(parent=origin.parent)
    return Lineage(origin.parent, found.agent, found.image, lineage.digest(found.packages), seen.seconds or 0.0)


def _named(bake_key: KeyPair, host_key: KeyPair) -> tuple[tuple[str, KeyPair], ...]:
    return ("bake's", bake_key), ("host", host_key)


def _body(private: str) -> list[str]:
    """The lines that no other key shares: OpenSSH's first one says only what kind of key follows."""
    return [line for line in private.splitlines()[2:-1] if len(line) >= 16]


def _ssh_answers(address: str) -> bool:
    """Whether an SSH server greets; a firewall that opens nothing is no proof, and so the droplet is asked as well."""
    try:
        with socket.create_connection((address, SSH_PORT), timeout=SSH_SECONDS) as opened:
            return opened.recv(4) == b"SSH-"
    except OSError:
        return False


def _boot_secret_lives(droplet: Droplet, environment: Environment) -> bool:
    try:
        return takes_boot_secret(ring_of(environment, droplet), droplet.name, droplet.public_address or "")
    except AgentUnreachable as error:
        raise TransientError(f"{droplet.name}: the agent went away: {error}") from error
