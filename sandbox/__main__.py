"""`python -m sandbox up|status|down|clean`: the sandbox's server as a background process."""

from __future__ import annotations

import argparse
import asyncio
import logging
import shutil
import sys
from pathlib import Path

from rich.console import Console

from sandbox.engine import connect, remove_everything, stop_machines
from sandbox.errors import SandboxError
from sandbox.machines.network import Block
from sandbox.process import ServerProcess
from sandbox.registry import RegistryError, end_leftovers
from sandbox.server import Options, own_block, serve
from sandbox.store import Store

console = Console(highlight=False)


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; gives the exit status, 1 for a failure that is explained on the screen."""
    given = _parser().parse_args(arguments)
    options = Options(given.state.absolute(), given.port, given.pace)
    try:
        return {"up": up, "status": status, "down": down, "clean": clean, "serve": run}[given.command](options)
    except (SandboxError, RegistryError) as error:
        console.print(f"[red]✗[/red] {error}")
        return 1


def up(options: Options) -> int:
    """Starts the server and waits until it answers; says where everything is."""
    connect()
    process = ServerProcess(options)
    with console.status("Starting the sandbox") as spinner:
        process.start()
        process.wait_ready(spinner.update)
    return status(options)


def status(options: Options) -> int:
    """Says whether the sandbox runs, and where everything is; 1 when it does not."""
    if not ServerProcess(options).answers():
        console.print("The sandbox does not run. Start it: python -m sandbox up")
        return 1
    console.print("[green]✓[/green] The sandbox runs")
    for name, url in options.urls().items():
        console.print(f"  {name:<13} {url}", markup=False)
    console.print(f"  {'authority':<13} {options.state / 'ca.pem'}")
    console.print(f"  {'tokens':<13} {options.state / 'tokens.json'}")
    return 0


def down(options: Options) -> int:
    """Ends the server and the machines; `up` brings them back."""
    with console.status("Shutting the machines down"):
        ServerProcess(options).stop()
        end_leftovers(options.state)
        block = _known_block(options)
        if block is not None:
            stop_machines(connect(), block)
    console.print("[green]✓[/green] The sandbox is down, its state is kept")
    return 0


def clean(options: Options) -> int:
    """Removes everything that the sandbox has made, but for the image of a new droplet."""
    with console.status("Removing the sandbox"):
        ServerProcess(options).stop()
        end_leftovers(options.state)
        block = _known_block(options)
        if block is not None:
            remove_everything(connect(), block)
        shutil.rmtree(options.state, ignore_errors=True)
    console.print("[green]✓[/green] Nothing of the sandbox is left")
    return 0


def run(options: Options) -> int:
    """The server itself, in the foreground."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    options.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    asyncio.run(serve(options, ServerProcess(options).note))
    return 0


def _known_block(options: Options) -> Block | None:
    """The addresses that this state has been given, if it is one of a sandbox."""
    path = options.state / "store.db"
    if not path.exists():
        return None
    store = Store(path)
    try:
        return own_block(store, connect())
    finally:
        store.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="DigitalOcean and Cloudflare in a box.")
    parser.add_argument("command", choices=["up", "status", "down", "clean", "serve"])
    parser.add_argument("--state", type=Path, default=Path(".state/sandbox"), help="where its state is kept")
    parser.add_argument("--port", type=int, default=7700, help="the APIs' port; the others follow (+43, +50, +80)")
    parser.add_argument("--pace", type=float, default=0.1, help="1 is as slow as DigitalOcean, 0 as quick as possible")
    return parser


if __name__ == "__main__":
    sys.exit(main())
