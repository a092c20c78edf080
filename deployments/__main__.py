"""`python -m deployments up | apply | status | down`: the embedded controller, from settings.

`up` starts the Prefect server and the worker and registers everything; `apply` only registers, on whatever server
the settings name; `down` ends what `up` started. All of them may be repeated.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys

from pydantic import ValidationError
from rich.console import Console

from deployments import server
from deployments.processes import ProcessFailed
from deployments.settings import Settings, load

console = Console(highlight=False)


def main() -> int:
    """Carries out one command; the exit status is 0 when it did."""
    parser = argparse.ArgumentParser(prog="python -m deployments", description=__doc__)
    parser.add_argument("command", choices=["up", "apply", "status", "down"])
    command = parser.parse_args().command
    try:
        settings = load()
        os.environ.update(server.environment(settings))
        return {"up": up, "apply": apply, "status": status, "down": down}[command](settings)
    except ValidationError as error:
        console.print(f"A setting in .env or the environment cannot be used:\n{error}", markup=False)
    except ProcessFailed as error:
        console.print(str(error), markup=False)
    return 1


def up(settings: Settings) -> int:
    """Server, registrations, worker."""
    with console.status("Prefect server: starting (about 20 s the first time) ..."):
        server.start(settings)
    console.print(f"[green]✓[/] Prefect server at {settings.ui_url}")
    apply(settings)
    with console.status("Worker: starting ..."):
        server.start_worker(settings)
    console.print("[green]✓[/] Worker takes runs from the pool 'deployer'")
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
    for name, runs in states.items():
        console.print(f"{name}: {'runs' if runs else 'does not run'} (log: {settings.home / name}.log)")
    console.print(f"Prefect UI: {settings.ui_url} {'answers' if server.answers(settings) else 'does not answer'}")
    return 0 if all(states.values()) else 1


def down(settings: Settings) -> int:
    """Ends worker and server; the database stays."""
    with console.status("Stopping worker and server ..."):
        ended = server.stop(settings)
    console.print(f"Stopped: {', '.join(ended) or 'nothing ran'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
