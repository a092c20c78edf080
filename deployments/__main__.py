"""`python -m deployments up | apply | status | down | …`: the embedded controller, from settings.

`up` starts the Prefect server and the workers and registers everything; `apply` only registers, on whatever server
the settings name; `down` ends what `up` started; `import-compose` makes `Service` blocks of a Compose file; `logs`
prints a service's lines, and `runs` the runs of a scheduled one; `rotate-tokens` puts another token of a provider in
its place; `pause` and `resume` are for remediation, and `replay` shows a decision of it; `backup` and `restore` are for
the controller itself; `doctor` says what is wrong with all of it; `production …` is for the controller on Postgres and
Redis (docs/production.md). All of them may be repeated.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console

from deployments import backups, doctor, healing, lines, runs, server, tokens
from deployments.processes import ProcessFailed
from deployments.production import commands as production
from deployments.settings import Settings, load
from fleet.errors import DeployerError

console = Console(highlight=False)
TOLD = {
    "pause": healing.pause,
    "resume": healing.resume,
    "replay": healing.show,
    "backup": backups.backup,
    "restore": backups.restore,
    "doctor": doctor.doctor,
}
"""Commands with arguments of their own."""


def main() -> int:
    """Carries out one command; the exit status is 0 when it did."""
    arguments = parser().parse_args()
    try:
        if arguments.command == "production":
            return production.carry_out(arguments, console)
        settings = load()
        os.environ.update(server.environment(settings))
        if arguments.command == "import-compose":
            return import_compose(settings, arguments)
        if arguments.command == "logs":
            return lines.show(arguments, console)
        if arguments.command == "rotate-tokens":
            return tokens.rotate(settings, arguments.provider, console)
        if arguments.command == "runs":
            return runs.show(arguments, console)
        if arguments.command in TOLD:
            return TOLD[arguments.command](settings, arguments, console)
        return {"up": up, "apply": apply, "status": status, "down": down}[arguments.command](settings)
    except ValidationError as error:
        console.print(f"A setting in .env or the environment cannot be used:\n{error}", markup=False)
    except (ProcessFailed, DeployerError) as error:
        console.print(str(error), markup=False, soft_wrap=True)
    return 1


def parser() -> argparse.ArgumentParser:
    """What can be said on the command line."""
    made = argparse.ArgumentParser(prog="python -m deployments", description=__doc__)
    commands = made.add_subparsers(dest="command", required=True)
    for name in ("up", "apply", "status", "down"):
        commands.add_parser(name)
    compose = commands.add_parser("import-compose", help="make Service blocks of a Compose file")
    compose.add_argument("file", type=Path)
    compose.add_argument("--environment", help="block of the environment; without it, the settings' own")
    compose.add_argument("--domain", action="append", default=[], type=_domain, metavar="SERVICE=DOMAIN")
    compose.add_argument("--dry-run", action="store_true", help="say what would be made, and save nothing")
    lines.add_command(commands)
    runs.add_command(commands)
    healing.add_commands(commands)
    tokens.add_command(commands)
    backups.add_commands(commands)
    doctor.add_command(commands)
    production.add_commands(commands)
    return made


def _domain(text: str) -> tuple[str, str]:
    service, equals, domain = text.partition("=")
    if not (service and equals and domain):
        raise argparse.ArgumentTypeError(f"{text!r} is not SERVICE=DOMAIN")
    return service, domain


def up(settings: Settings) -> int:
    """Server, registrations, workers."""
    with console.status("Prefect server: starting (about 20 s the first time) ..."):
        server.start(settings)
    console.print(f"[green]✓[/] Prefect server at {settings.ui_url}")
    apply(settings)
    with console.status("Workers: starting ..."):
        server.start_workers(settings)
    console.print("[green]✓[/] Workers take runs from the pool 'deployer': one yours, one health rounds and healing")
    return 0


def apply(settings: Settings) -> int:
    """Blocks, block documents, pool, limits, deployments and schedules, as written in this repository."""
    with console.status("Registering blocks, pool, limits, deployments ..."):
        from deployments import registry  # Prefect reads its settings when it is imported

        done = asyncio.run(registry.register(settings))
    for line in done:
        console.print(f"[green]✓[/] {line}")
    return 0


def status(settings: Settings) -> int:
    """What runs; the exit status is 1 when something does not."""
    states = server.status(settings)
    for name, alive in states.items():
        console.print(f"{name}: {'runs' if alive else 'does not run'} (log: {settings.home / name}.log)")
    console.print(f"Prefect UI: {settings.ui_url} {'answers' if server.answers(settings) else 'does not answer'}")
    return 0 if all(states.values()) else 1


def down(settings: Settings) -> int:
    """Ends workers and server; the database stays."""
    with console.status("Stopping workers and server ..."):
        ended = server.stop(settings)
    console.print(f"Stopped: {', '.join(ended) or 'nothing ran'}")
    return 0


def import_compose(settings: Settings, arguments: argparse.Namespace) -> int:
    """Blocks for the services of a Compose file; saves all of them or none."""
    from deployments.compose import saving  # Prefect reads its settings when it is imported
    from fleet.errors import InvalidInput

    environment = arguments.environment or f"{settings.project}-{settings.environment}"
    try:
        imported = saving.open_file(arguments.file, dict(arguments.domain))
        for line in (*imported.lines(), *imported.notes):
            console.print(f"  {line}", markup=False, soft_wrap=True)
        if arguments.dry_run:
            console.print(f"Nothing was saved. Without --dry-run they become services of {environment}.")
            return 0
        for line in saving.save(imported, environment):
            console.print(f"[green]✓[/] {line}")
    except InvalidInput as error:
        console.print(str(error), markup=False, soft_wrap=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
