"""The second vantage point: every public name, asked through the edge as a visitor does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import httpx

from agent import wire
from blocks.environment import Environment
from fleet import naming
from fleet.errors import DeployerError
from fleet.remediation.observations import Said
from fleet.spec import EnvironmentSpec
from fleet.state import Droplet
from tasks.health.findings import EdgeAnswer

NAME_SECONDS: Final = 10.0
"""How long one name may take."""
ROUND_SECONDS: Final = 20.0
"""How long all names together may take; those that have no answer by then are `unknown`."""
AT_ONCE: Final = 50
MOST_NAMES: Final = 500
"""So many are asked in a round, in the order of the alphabet; the rest is `unknown`."""
AGENT: Final = {"User-Agent": "deployer-health-check"}
NOBODY: Final = {521: "refuses the connection", 522: "does not answer in time", 523: "cannot be reached"}
"""Cloudflare's own statuses for a host where it finds nobody."""
NOT_SERVED: Final = {421, 502, 504, 520, 524, 525, 526, 527}
"""Somebody is there, and the service behind the name is not."""

Names = Mapping[str, tuple[str, ...]]
"""The droplets that a name's records lead to."""


@dataclass(frozen=True)
class Reply:
    """What came back for one name."""

    status: int | None = None
    seconds: float | None = None
    error: str = ""
    """Why nothing came back; empty when something did."""


LATE: Final = Reply(error=f"no answer within the {ROUND_SECONDS:.0f} s that all names have together")


def read_names(environment: Environment, droplets: Sequence[Droplet]) -> dict[str, tuple[str, ...]]:
    """The environment's names that have a record, and where they lead.

    Raises:
        DeployerError: the zone could not be read.
    """
    spec, at = environment.spec(), {one.public_address: one.name for one in droplets if one.public_address}
    found: dict[str, set[str]] = {}
    for record in environment.cloudflare.client().read_records(comment=f"{spec.project}/{spec.name}/"):
        if record.type == "A" and _is_ours(record.comment, spec):
            found.setdefault(record.name, set()).update({at[record.content]} if record.content in at else ())
    return {name: tuple(sorted(leads)) for name, leads in sorted(found.items())}


def _is_ours(comment: str, spec: EnvironmentSpec) -> bool:
    """Whether a record with this comment is of this environment, whoever its owner is."""
    words = comment.split(" ")
    return len(words) > 1 and naming.service_of_comment(comment, words[1], spec) is not None


async def ask_all(environment: Environment, names: Iterable[str]) -> dict[str, Reply]:
    """What a visitor of each name gets: its front page's status, without the page itself; no redirect is followed."""
    gate = asyncio.Semaphore(AT_ONCE)
    timeout, limits = httpx.Timeout(NAME_SECONDS), httpx.Limits(max_connections=AT_ONCE)
    async with httpx.AsyncClient(timeout=timeout, limits=limits, headers=AGENT) as client:
        asked = {name: asyncio.create_task(_ask(client, gate, environment.url(name))) for name in names}
        late = (await asyncio.wait(asked.values(), timeout=ROUND_SECONDS))[1] if asked else set()
        for one in late:
            one.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        return {name: LATE if one in late else one.result() for name, one in asked.items()}


async def _ask(client: httpx.AsyncClient, gate: asyncio.Semaphore, url: str) -> Reply:
    host = urlsplit(url).hostname or ""
    # Names under localhost are this machine, whatever the resolver says (RFC 6761, section 6.3).
    target = url.replace(host, "127.0.0.1", 1) if host.endswith(".localhost") else url
    async with gate:
        began = time.monotonic()
        try:
            async with client.stream("GET", target, headers={"Host": urlsplit(url).netloc}) as reply:
                return Reply(reply.status_code, time.monotonic() - began)
        except httpx.HTTPError as error:
            return Reply(error=str(error) or type(error).__name__)


async def look(environment: Environment, droplets: Sequence[Droplet]) -> tuple[Names, dict[str, Reply], str]:
    """Where the names lead, what each answers, and why that is not known (else empty)."""
    try:
        names = await asyncio.to_thread(read_names, environment, droplets)
    except DeployerError as error:
        return {}, {}, f"the zone's records could not be read: {error}"
    return names, await ask_all(environment, list(names)[:MOST_NAMES]), ""


def read(
    environment: Environment, nodes: Iterable[wire.Node], seen: tuple[Names, dict[str, Reply], str]
) -> dict[str, EdgeAnswer]:
    """An answer for every name that has a record or that a droplet serves, in the order of the alphabet."""
    names, replies, trouble = seen
    current = [one for node in nodes for one in node.containers if one.role == "current"]
    hidden = {host for one in current if one.maintenance for host in one.hosts}
    answers = {}
    for name in sorted({*names, *(host for one in current for host in one.hosts)}):
        if (reply := replies.get(name)) is None:
            said, reason = _unasked(name in names, trouble)
            reply = Reply()
        else:
            said, reason = judge(reply, name in hidden)
        leads = names.get(name, ())
        answers[name] = EdgeAnswer(name, environment.url(name), leads, said, reason, reply.status, reply.seconds)
    return answers


def _unasked(known: bool, trouble: str) -> tuple[Said, str]:
    if trouble:
        return "unknown", trouble
    return "unknown", f"not asked: more than {MOST_NAMES} names" if known else "no record of ours leads to it"


def judge(reply: Reply, maintenance: bool) -> tuple[Said, str]:
    """What an answer says of the name, and why; under maintenance the page (503) is as it should be."""
    status = reply.status
    if status is None:
        return "unknown", f"the edge did not answer: {reply.error}"
    if maintenance and status == httpx.codes.SERVICE_UNAVAILABLE:
        return "healthy", "visitors get the maintenance page"
    if status in NOBODY:
        return "silent", f"{status}: its host {NOBODY[status]}"
    if status == 530:
        return "unknown", "530: the name leads nowhere"
    if status in NOT_SERVED:
        return "unhealthy", f"{status}: a host answers, and not the service"
    if status >= 500:
        return "degraded", f"its front page answers {status}"
    return "healthy", f"its front page answers {status}"
