"""`backup` and `restore`: a controller in one sealed file, and back, on this server or another one."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import os
from pathlib import Path
from typing import Final

import httpx
from rich.console import Console

from deployments import sealed
from deployments.contents import Contents, pack, unpack
from deployments.files import write_private
from deployments.settings import Settings
from fleet.errors import InvalidInput, TransientError

VARIABLE: Final = "DEPLOYER_BACKUP_PASSPHRASE"
LARGEST: Final = 64 << 20
"""Bytes of a file that is read at all."""


# The type of what `add_subparsers` gives has no public name.
def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `backup` and `restore` to the command line; a passphrase is never a part of that."""
    saving = commands.add_parser("backup", help="blocks with their secrets, variables and schedules into a sealed file")
    bringing = commands.add_parser("restore", help="bring a backup to this controller; what it does not name stays")
    bringing.add_argument("--dry-run", action="store_true", help="say what would be changed, and change nothing")
    for parser in (saving, bringing):
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--passphrase-file", type=Path, help=f"its first line is the passphrase; else {VARIABLE}, else it is asked"
        )


def backup(settings: Settings, arguments: argparse.Namespace, console: Console) -> int:
    """Writes the file, at once or not at all; the exit status is 0 once it is on the disk."""
    from deployments import gathering  # Prefect reads its settings when it is imported

    path: Path = arguments.file
    _check_target(path)
    passphrase = _passphrase(arguments, twice=True)
    try:
        contents = gathering.gather(settings.project)
    except httpx.HTTPError as error:
        raise _silent(settings) from error
    write_private(path, sealed.seal(pack(contents), passphrase))
    console.print(
        f"[green]✓[/] {path}: {len(contents.documents)} blocks, {len(contents.variables)} variables, "
        f"{len(contents.deployments)} deployments. Without its passphrase nobody can read it."
    )
    return 0


def restore(settings: Settings, arguments: argparse.Namespace, console: Console) -> int:
    """Brings everything that the file names to this controller; the exit status is 0 when nothing was left out."""
    contents = unpack(sealed.unseal(_read(arguments.file), _passphrase(arguments)))
    console.print(f"A backup of {contents.made_at:%Y-%m-%d %H:%M} UTC ({contents.project}).", markup=False)
    try:
        lines = _preview(contents) if arguments.dry_run else asyncio.run(_bring(contents))
    except httpx.HTTPError as error:
        raise _silent(settings) from error
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
    if arguments.dry_run:
        console.print("Nothing was changed.")
    return 1 if any("left out" in line for line in lines) else 0


def _preview(contents: Contents) -> list[str]:
    from deployments import restoring  # Prefect reads its settings when it is imported

    return list(restoring.restore(contents, write=False))


async def _bring(contents: Contents) -> list[str]:
    """Restored schedules count as registered: the next `up` leaves them as they are."""
    from deployments import documents, registered, restoring  # as above

    await documents.ensure_types()
    current = await registered.is_current()
    lines = await asyncio.to_thread(lambda: list(restoring.restore(contents, write=True)))
    if current:
        await registered.mark()
    return lines


def _check_target(path: Path) -> None:
    if not path.parent.is_dir():
        raise InvalidInput(f"There is no folder {path.parent}.", hint="Make it, or give another file.")
    if path.is_dir() or (path.exists() and not sealed.is_sealed(_start(path))):
        raise InvalidInput(f"{path} is there, and no backup.", hint="Give another file: it would be replaced.")


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST:
            raise InvalidInput(f"{path} is larger than any backup.", hint="Is it the right file?")
        return path.read_bytes()
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}."
        raise InvalidInput(message, hint="Give the file that `backup` wrote.") from error


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(sealed.MAGIC))


def _passphrase(arguments: argparse.Namespace, twice: bool = False) -> str:
    """From a file, or a variable, or asked; never from the command line, which everybody on the machine can read."""
    if arguments.passphrase_file:
        lines = _read(arguments.passphrase_file).decode().splitlines()
        return lines[0] if lines else ""
    if given := os.environ.get(VARIABLE):
        return given
    try:
        asked = getpass.getpass("Passphrase: ")
        again = getpass.getpass("Once more: ") if twice else asked
    except EOFError as error:
        raise InvalidInput("No passphrase was given.", hint=f"Set {VARIABLE}, or give --passphrase-file.") from error
    if asked != again:
        raise InvalidInput("The two passphrases differ.", hint="Nothing was written. Try again.")
    return asked


def _silent(settings: Settings) -> TransientError:
    return TransientError(
        f"The Prefect server at {settings.ui_url} does not answer.", hint="Start it: python -m deployments up"
    )
