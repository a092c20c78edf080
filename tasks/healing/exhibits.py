"""What is read of a service about which something is done or given up: its last lines, and why it fails, if one cause
fits. Evidence for people, and never a reason: nothing is decided from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from blocks.environment import Environment
from fleet.errors import DeployerError
from fleet.remediation.causes import Cause
from fleet.remediation.evidence import LOG_LINES
from fleet.remediation.rounds import Deliberation
from tasks import causes
from tasks.agents import reach
from tasks.healing.looks import Look

AT_ONCE: Final = 8
MOST: Final = 20
"""Services that are read in one round; where more is decided at once, the trouble is elsewhere."""
OBSERVER: Final = "remediation"


@dataclass(frozen=True, slots=True)
class Exhibit:
    """What an agent told of one service; nothing where it did not answer, which fails nothing."""

    lines: tuple[str, ...] = ()
    """The last ones, oldest first, as they were written: who keeps them removes what is secret."""
    cause: Cause | None = None


def read_all(
    made: Iterable[Deliberation], seen: Iterable[Look], environments: Sequence[Environment]
) -> Mapping[str, Exhibit]:
    """The exhibits by the decision's id, of each service that is acted upon or given up, 20 at most."""
    places = {one.droplet.id: one for one in seen if one.node}
    blocks = {one.title(): one for one in environments}
    wanted = [
        one for one in made if one.state.target.container and (one.decision.acts or one.decision.action == "hold")
    ]
    found = [(one, places[one.state.target.droplet]) for one in wanted if one.state.target.droplet in places][:MOST]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        exhibits = list(pool.map(lambda pair: _read(pair[0], pair[1], blocks[pair[1].environment]), found))
    return {one.id: told for (one, _), told in zip(found, exhibits, strict=True)}


def _read(made: Deliberation, look: Look, environment: Environment) -> Exhibit:
    name, told = made.state.target.container, Exhibit()
    # What was read before an agent fell silent is kept.
    with suppress(DeployerError), reach(environment, look.droplet) as agent:
        told = Exhibit(tuple(line.text for line in agent.logs(name, tail=LOG_LINES).lines))
        told = replace(told, cause=causes.find(agent.health(name, observer=OBSERVER, why=True).symptoms))
    return told
