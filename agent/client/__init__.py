"""The controller's side of the node protocol: a method for each route, one call each, never repeated.

    AgentError
    ├── AgentUnreachable   no answer, or one that broke off: nothing is known about what the call did
    ├── AgentRefused       another certificate than the one of this droplet's secret, or the key was not accepted
    └── AgentProblem       the agent says what is wrong, in its envelope (`problem`)

A client is made from the DigitalOcean token and the droplet's name: both ends of the connection follow from them (see
`agent.keys`). It accepts one certificate, and sends the key to nobody else.
"""

from agent.client.api import AgentClient, AsyncAgentClient
from agent.client.errors import AgentError, AgentProblem, AgentRefused, AgentUnreachable
from agent.client.lines import LineReader
from agent.client.session import apart, connect, mend, takes_boot_secret

__all__ = [
    "AgentClient",
    "AgentError",
    "AgentProblem",
    "AgentRefused",
    "AgentUnreachable",
    "AsyncAgentClient",
    "LineReader",
    "apart",
    "connect",
    "mend",
    "takes_boot_secret",
]
