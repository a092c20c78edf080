"""The runs of a scheduled service on the command line, from all of its droplets."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Table

from deployments import services
from deployments.lines import plain

MOST = 1000


# The type of what `add_subparsers` gives has no public name.
def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `runs` to the command line."""
    command = commands.add_parser("runs", help="what became of a scheduled service's runs, on all of its droplets")
    command.add_argument("service", help="its block's name")
    command.add_argument("--last", type=_number, default=20, help="so many of each droplet (20)")


def show(arguments: argparse.Namespace, console: Console) -> int:
    """Prints them as a table; the exit status is 0 when all droplets could be read."""
    from tasks import jobs, lines  # Prefect reads its settings when it is imported

    service = services.load(arguments.service)
    jobs.check(service)
    found = jobs.read(service, lines.hosts(service), arguments.last)
    table = Table(*jobs.HEAD)
    for one in found:
        table.add_row(*map(plain, one.cells()), style=None if one.well else "red")
    console.print(table if found else f"{service.name} has not run yet.", markup=False)
    return 0 if all(one.run for one in found) else 1


def _number(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of runs from 1 to {MOST}")
    return int(text)
