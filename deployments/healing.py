"""Remediation from the command line, with or without Prefect: pause it, resume it, and read and replay a decision."""

from __future__ import annotations

import argparse
import getpass
from datetime import UTC, datetime, timedelta

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deployments.settings import Settings
from fleet.errors import InvalidInput
from fleet.remediation import limits, pauses
from fleet.remediation.folders import Folder
from fleet.remediation.moments import read_moment
from fleet.remediation.records import DecisionRecord, differences, replay
from fleet.remediation.rounds import allow_replacements, let_go
from fleet.remediation.state import Pause
from fleet.remediation.telling import rows

LONGEST = 24 * 366
"""Hours."""


# The type of what `add_subparsers` gives has no public name.
def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `pause`, `resume` and `replay` to the command line."""
    pausing = commands.add_parser("pause", help="do nothing by itself about a service, a droplet, or anything")
    resuming = commands.add_parser("resume", help="end a pause; let go of what is held")
    for parser in (pausing, resuming):
        parser.add_argument("--service", default="", help="its name, in all environments, or a container's whole name")
        parser.add_argument("--droplet", default="", help="its name")
    pausing.add_argument("--hours", type=_hours, help="how long; without it, until it is resumed")
    pausing.add_argument("--why", default="", help="told wherever something is not done because of it")
    resuming.add_argument("--replacements", action="store_true", help="allow them again after a suspension")
    showing = commands.add_parser("replay", help="show a decision's record, and decide it again")
    showing.add_argument("decision", help="its whole name, e.g. 20261124t021530-9fe5e6a1b2")


def pause(settings: Settings, arguments: argparse.Namespace, console: Console) -> int:
    """Pauses what is named, or everything; the exit status is 0 once that is on the disk."""
    now = datetime.now(UTC)
    until = now + timedelta(hours=arguments.hours) if arguments.hours is not None else None
    new = _scope(arguments, by=getpass.getuser(), why=arguments.why, since=now, until=until)
    folder = Folder(settings.healing)
    with folder.locked():
        kept = pauses.pause(pauses.in_force(folder.read_pauses(), now), new)
        folder.write_pauses(kept)
    return _tell(kept, console)


def resume(settings: Settings, arguments: argparse.Namespace, console: Console) -> int:
    """Ends a pause, and lets go of what is held of the same name."""
    folder, ended = Folder(settings.healing), _scope(arguments)
    with folder.locked():
        kept = pauses.resume(pauses.in_force(folder.read_pauses(), datetime.now(UTC)), ended)
        folder.write_pauses(kept)
        if arguments.replacements:
            folder.write_memory(allow_replacements(folder.read_memory(), read_moment()))
        if ended.name:
            folder.write_memory(let_go(folder.read_memory(), ended.name))
    return _tell(kept, console)


def show(settings: Settings, arguments: argparse.Namespace, console: Console) -> int:
    """Prints a record as a table; the exit status is 0 when deciding it again comes to the same."""
    record = Folder(settings.healing).records.find(arguments.decision)
    table = Table("part", "what", "told", title=f"Decision {record.id}")
    for row in rows(record):
        table.add_row(row.part, escape(row.what), escape(row.told))
    console.print(table)
    return _compare(record, console)


def _compare(record: DecisionRecord, console: Console) -> int:
    differing = differences(record.decision, replay(record))
    if not differing:
        console.print("[green]✓[/] Decided again from this record, it comes to the same.")
        return 0
    old = f" It was decided by rules {record.rules}; these are {limits.RULES}." if record.rules != limits.RULES else ""
    console.print(f"Decided again, it differs in: {', '.join(differing)}.{old}", markup=False)
    return 1


def _hours(text: str) -> float:
    hours = float(text)
    if not 0 < hours <= LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of hours from 0 to {LONGEST}")
    return hours


def _scope(
    arguments: argparse.Namespace,
    by: str = "",
    why: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
) -> Pause:
    if arguments.service and arguments.droplet:
        raise InvalidInput("One thing is paused at a time.", hint="Give --service or --droplet.")
    if arguments.service:
        return Pause("service", arguments.service, by, why, since, until)
    return Pause("droplet" if arguments.droplet else "everything", arguments.droplet, by, why, since, until)


def _tell(kept: tuple[Pause, ...], console: Console) -> int:
    for one in kept:
        console.print(str(one), markup=False)
    if not kept:
        console.print("Nothing is paused.")
    return 0
