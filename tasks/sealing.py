"""The last step before a snapshot that is made through the agent."""

from __future__ import annotations

from blocks.environment import Environment
from fleet.state import Droplet
from tasks.agents import reach
from tasks.policy import step


@step("{droplet.name}: seal", retries=1)
def seal(droplet: Droplet, environment: Environment) -> None:
    """Has the agent take off the disk what no snapshot may carry: its secret, routes, machine id, host keys, logs.

    The agent does not answer afterwards.
    """
    with reach(environment, droplet) as agent:
        agent.seal()
