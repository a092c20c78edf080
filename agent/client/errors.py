"""What a call of an agent can raise."""

from __future__ import annotations

from agent import wire


class AgentError(Exception):
    """Base of what a call can raise."""


class AgentUnreachable(AgentError):
    """The agent did not answer; what the call did, if it arrived, is not known."""


class AgentRefused(AgentError):
    """The other end is not this droplet, or it does not accept our key."""


class AgentProblem(AgentError):
    """The agent answered with its error envelope."""

    def __init__(self, problem: wire.Problem) -> None:
        super().__init__(f"{problem.message} {problem.hint}".strip())
        self.problem = problem
