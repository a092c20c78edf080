"""Pauses, handed over to the agents, so that any other controller sees them; and those of others, heard from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from prefect import get_run_logger

from agent import wire
from blocks.environment import Environment
from fleet.errors import DeployerError
from fleet.remediation.state import Pause
from tasks.agents import reach
from tasks.healing.looks import Look

AGAIN: Final = 3600.0
"""Seconds after which an agent is told again: what it has not heard again for a day lapses there."""
AT_ONCE: Final = 32


def foreign(seen: Iterable[Look], controller: str) -> tuple[Pause, ...]:
    """What other controllers have paused, as any agent says; each once."""
    held = [one for look in seen if look.node for one in look.node.pauses or () if one.controller != controller]
    return tuple(dict.fromkeys(_ours(pause) for one in held for pause in one.pauses))


def hand_over(
    seen: Iterable[Look], controller: str, pauses: Sequence[Pause], environments: Mapping[str, Environment]
) -> None:
    """Tells the agents that do not know them as they are; one that cannot be told is told in the next round."""
    wanted = wire.Pauses(pauses=tuple(map(_theirs, pauses)))
    late = [
        one for one in seen if one.node and _is_late(one.node, controller, wanted) and one.environment in environments
    ]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        failures = list(pool.map(lambda one: _tell(one, controller, wanted, environments[one.environment]), late))
    for told in filter(None, failures):
        get_run_logger().warning("The pauses are not handed over yet: %s", told)


def _is_late(node: wire.Node, controller: str, wanted: wire.Pauses) -> bool:
    if node.pauses is None:
        return False
    known = next((one for one in node.pauses if one.controller == controller), None)
    if known is None:
        return bool(wanted.pauses)
    return known.pauses != wanted.pauses or known.seconds_ago > AGAIN


def _tell(look: Look, controller: str, wanted: wire.Pauses, environment: Environment) -> str:
    try:
        with reach(environment, look.droplet) as agent:
            agent.write_pauses(controller, wanted)
    except DeployerError as error:
        return error.message
    return ""


def _ours(one: wire.Pause) -> Pause:
    return Pause(one.scope, one.name, one.by, one.why, one.since, one.until)


def _theirs(one: Pause) -> wire.Pause:
    return wire.Pause(
        scope=one.scope, name=one.name, by=one.by[:500], why=one.why[:500], since=one.since, until=one.until
    )
