"""The last lines of a service about which something is done or given up: evidence, and never a reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from blocks.environment import Environment
from fleet.errors import DeployerError
from fleet.remediation.evidence import LOG_LINES
from fleet.remediation.rounds import Deliberation
from tasks.agents import reach
from tasks.healing.looks import Look

AT_ONCE: Final = 8
MOST: Final = 20
"""Services of which the lines are read in one round; where more is decided at once, the trouble is elsewhere."""


def read_all(
    made: Iterable[Deliberation], seen: Iterable[Look], environments: Sequence[Environment]
) -> Mapping[str, tuple[str, ...]]:
    """The lines by the decision's id; none where the agent does not give them, which fails nothing."""
    places = {one.droplet.id: one for one in seen if one.node}
    blocks = {one.title(): one for one in environments}
    wanted = [
        one for one in made if one.state.target.container and (one.decision.acts or one.decision.action == "hold")
    ]
    found = [(one, places[one.state.target.droplet]) for one in wanted if one.state.target.droplet in places][:MOST]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        lines = list(pool.map(lambda pair: _read(pair[0], pair[1], blocks[pair[1].environment]), found))
    return {one.id: told for (one, _), told in zip(found, lines, strict=True)}


def _read(made: Deliberation, look: Look, environment: Environment) -> tuple[str, ...]:
    try:
        with reach(environment, look.droplet) as agent:
            return tuple(line.text for line in agent.logs(made.state.target.container, tail=LOG_LINES).lines)
    except DeployerError:
        return ()
