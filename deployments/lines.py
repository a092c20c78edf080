"""A service's lines on the command line, from all of its droplets."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from deployments import services
from fleet.ages import read_moment
from fleet.errors import InvalidInput

if TYPE_CHECKING:
    from tasks.lines import Line

COLOURS = ("cyan", "magenta", "green", "yellow", "blue")
MOST_LINES = 2000


# The type of what `add_subparsers` gives has no public name.
def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `logs` to the command line."""
    command = commands.add_parser("logs", help="what a service wrote, on all of its droplets, by time")
    command.add_argument("service", help="its block's name")
    command.add_argument("--follow", action="store_true", help="go on with each line as it is written, until Ctrl-C")
    command.add_argument("--since", type=moment, help="an age (90s, 10m, 2h, 1d) or a time (2026-11-24T02:15)")
    command.add_argument("--lines", type=_lines, default=100, help="the last lines of each droplet (100)")


def moment(text: str, now: datetime | None = None) -> datetime:
    """The time that somebody means by an age or a time; one without a zone is of this machine's."""
    try:
        return read_moment(text, now or datetime.now(UTC))
    except InvalidInput as error:
        raise argparse.ArgumentTypeError(f"{error.message} {error.hint}") from None


def show(arguments: argparse.Namespace, console: Console) -> int:
    """Prints the lines; the exit status is 0 when all droplets could be read."""
    from tasks import lines  # Prefect reads its settings when it is imported

    service = services.load(arguments.service)
    what, droplets = lines.wanted(service, arguments.lines, arguments.since), lines.hosts(service)
    printer = Printer(console)
    if arguments.follow:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(lines.follow(what, droplets, printer.print))
        return 0
    found = asyncio.run(lines.read(what, droplets))
    for line in found:
        printer.print(line)
    return 0 if all(line.at for line in found) else 1


class Printer:
    """Prints lines, each droplet's name in a colour of its own, and no line of a service as markup."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._colours: dict[str, str] = {}

    def print(self, line: Line) -> None:
        """One line."""
        colour = self._colours.setdefault(line.droplet, COLOURS[len(self._colours) % len(COLOURS)])
        at = f"{line.at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3] if line.at else "-"
        told = Text.assemble((f"{at:<23} ", "dim"), (f"{line.droplet} ", colour), plain(line.text))
        self._console.print(told, soft_wrap=True)


def plain(text: str) -> str:
    """The text without what a terminal would obey: a service's lines are anybody's words."""
    return "".join(letter if letter.isprintable() or letter == "\t" else "�" for letter in text)


def _lines(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_LINES:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of lines from 1 to {MOST_LINES}")
    return int(text)
