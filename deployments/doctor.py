"""`doctor`: what is wrong, or will be, as a table; the exit status is 1 when something is."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deployments.settings import Settings
from fleet.checkup import Ill

COLOURS = {"error": "red", "warning": "yellow", "notice": "cyan"}


# The type of what `add_subparsers` gives has no public name.
def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `doctor` to the command line."""
    commands.add_parser("doctor", help="look for what is wrong, and say what to do about it; changes nothing")


def doctor(settings: Settings, _: argparse.Namespace, console: Console) -> int:
    """Prints what was found; the exit status is 1 when any of it is more than a notice."""
    from deployments import examining  # Prefect reads its settings when it is imported

    with console.status("Looking at the controller, the clouds and every droplet ..."):
        found = examining.examine(settings)
    return show(found, console)


def show(found: list[Ill], console: Console) -> int:
    """The table, and the exit status."""
    if not found:
        console.print("[green]✓[/] Nothing was found.")
        return 0
    table = Table("", "what", "where", "a month", "what to do")
    for one in found:
        price = f"${one.dollars:.2f}" if one.dollars else ""
        colour = COLOURS[one.severity]
        table.add_row(f"[{colour}]{one.severity}[/]", escape(one.what), escape(one.where), price, escape(one.advice))
    console.print(table)
    if total := sum(one.dollars for one in found):
        console.print(f"What serves nobody costs ${total:.2f} a month.")
    return 1 if any(one.severity != "notice" for one in found) else 0
