"""`python -m tests.simulation`: a day of 10 and of 500 droplets under every scenario, naive against ours."""

from __future__ import annotations

import sys

from rich.console import Console

from tests.simulation.days import compare, show

for size in [int(word) for word in sys.argv[1:]] or [10, 500]:
    show(compare(size), Console(width=150))
