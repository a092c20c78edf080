"""The health of the fleet: asked each minute from two vantage points, shown, and followed through time.

`findings` are what was seen (`droplets` asks the agents, `edge` the public names, `rounds` both); `subjects` are what
has a verdict; `history` follows them, `events`, `table`, `plot` and `timeline` tell of them, and `reports` publishes.
"""

from tasks.health.findings import AgentAnswer, EdgeAnswer, Finding
from tasks.health.history import Change
from tasks.health.reports import report
from tasks.health.rounds import another_round_runs, list_environments, sweep, sweep_all

__all__ = [
    "AgentAnswer",
    "Change",
    "EdgeAnswer",
    "Finding",
    "another_round_runs",
    "list_environments",
    "report",
    "sweep",
    "sweep_all",
]
