"""`python -m deployments production …`: the production controller from the command line."""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
from collections.abc import Callable, Iterable

from rich.console import Console

from deployments import server
from deployments.processes import ProcessFailed
from deployments.production import compose, controller, machine, people
from deployments.production.parts import migration, parts
from deployments.production.rendering import render
from deployments.production.roles import Role
from deployments.production.settings import ENV, ProductionSettings, load
from deployments.production.supervisors import of_this_machine
from deployments.settings import ROOT, remember

Command = Callable[[ProductionSettings, argparse.Namespace, Console], int]


# The type of what `add_subparsers` gives has no public name.
def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `production` and what can be said after it."""
    made = commands.add_parser("production", help="the controller on Postgres and Redis, with roles").add_subparsers(
        dest="production", required=True
    )
    up_parser = made.add_parser("up", help="set this machine up, start everything, register everything")
    up_parser.add_argument("--here", action="store_true", help="install nothing: Postgres is where the settings say")
    made.add_parser("apply", help="register everything")
    made.add_parser("status", help="what runs")
    made.add_parser("down", help="stop everything; workers see their runs to their end")
    upgrading = made.add_parser("upgrade", help="put this code and these settings in the place of what runs")
    upgrading.add_argument("--here", action="store_true", help="install nothing")
    letting_in = made.add_parser("let-in", help="give a person a login, or a new password")
    letting_in.add_argument("name")
    letting_in.add_argument("--role", type=Role, choices=list(Role), required=True)
    made.add_parser("put-out", help="take a person's login away").add_argument("name")
    made.add_parser("people", help="who has a login")
    made.add_parser("compose", help="write compose.yaml")
    made.add_parser("migrate", help="write the files, and bring the database to this version")
    made.add_parser("run", help="become one part; for Compose").add_argument("part")


def carry_out(arguments: argparse.Namespace, console: Console) -> int:
    """Carries out one command; the exit status is 0 when it did."""
    settings = load()
    os.environ.update(server.environment(settings))
    return COMMANDS[arguments.production](settings, arguments, console)


def up(settings: ProductionSettings, arguments: argparse.Namespace, console: Console) -> int:
    """From a machine with this checkout to a controller that works; what is there already is left as it is."""
    _prepare(settings, arguments, console)
    supervisor = of_this_machine(settings)
    _tell(controller.start_servers(settings, supervisor), console)
    apply(settings, arguments, console)
    _tell(controller.start_workers(settings, supervisor), console)
    console.print(f"[green]✓[/] https://{settings.gateway_name}:{settings.gateway_port} (the admin's login is in .env)")
    return 0


def apply(settings: ProductionSettings, arguments: argparse.Namespace, console: Console) -> int:
    """Blocks, pool, limits, deployments and schedules."""
    from deployments import registry  # Prefect reads its settings when it is imported
    from deployments.production.pool import ensure_closed
    from deployments.production.schedules import ensure_audited

    async def register() -> list[str]:
        return [*await registry.register(settings), await ensure_closed(), await ensure_audited()]

    _tell(asyncio.run(register()), console)
    return 0


def status(settings: ProductionSettings, arguments: argparse.Namespace, console: Console) -> int:
    """What runs; the exit status is 1 when something does not."""
    states = controller.status(settings, of_this_machine(settings))
    for name, runs in states.items():
        console.print(f"{name}: {'runs' if runs else 'does not run'}")
    return 0 if all(states.values()) else 1


def down(settings: ProductionSettings, arguments: argparse.Namespace, console: Console) -> int:
    """Ends all parts; the database stays."""
    _tell(controller.stop(settings, of_this_machine(settings)), console)
    return 0


def upgrade(settings: ProductionSettings, arguments: argparse.Namespace, console: Console) -> int:
    """One part after another; always one API server answers, and no run is ended."""
    _prepare(settings, arguments, console)
    _tell(controller.upgrade(settings, of_this_machine(settings)), console)
    return apply(settings, arguments, console)


def let_in(settings: ProductionSettings, arguments: argparse.Namespace, console: Console) -> int:
    """Prints the new password, once."""
    password = people.let_in(settings, arguments.name, arguments.role)
    _refresh(settings)
    console.print(f"{arguments.name} ({arguments.role}), from now on with the password: {password}", markup=False)
    return 0


def put_out(settings: ProductionSettings, arguments: argparse.Namespace, console: Console) -> int:
    """The login is refused from the next request on."""
    known = people.put_out(settings, arguments.name)
    _refresh(settings)
    console.print(f"{arguments.name}: {'has no login any more' if known else 'had no login'}", markup=False)
    return 0


def show_people(settings: ProductionSettings, arguments: argparse.Namespace, console: Console) -> int:
    """Names and roles."""
    for person in people.everybody(settings):
        console.print(f"{person.name}: {person.role}", markup=False)
    return 0


def write_compose(settings: ProductionSettings, arguments: argparse.Namespace, console: Console) -> int:
    """`compose.yaml`, and the database's password in `.env`."""
    password = secrets.token_urlsafe(32)
    url = f"postgresql+asyncpg://deployer:{password}@127.0.0.1:5432/deployer"
    if "DEPLOYER_DATABASE_PASSWORD" not in ENV.read_text():
        remember(ENV, {"DEPLOYER_DATABASE_PASSWORD": password, "DEPLOYER_DATABASE_URL": url})
    (ROOT / "compose.yaml").write_text(compose.render(settings))
    console.print("[green]✓[/] compose.yaml; now: docker compose up --detach --build")
    return 0


def migrate(settings: ProductionSettings, arguments: argparse.Namespace, console: Console) -> int:
    """Files and database; the first thing that Compose starts."""
    render(settings)
    _tell([controller.migrate(settings, None)], console)
    return 0


def run(settings: ProductionSettings, arguments: argparse.Namespace, console: Console) -> int:
    """Becomes the part, in the place of this process."""
    for part in (migration(settings), *parts(settings)):
        if part.name == arguments.part:
            os.execve(part.command[0], part.command, {**os.environ, **part.values, **part.secrets})  # noqa: S606
    raise ProcessFailed(f"There is no part {arguments.part}. There are: {', '.join(p.name for p in parts(settings))}")


def _prepare(settings: ProductionSettings, arguments: argparse.Namespace, console: Console) -> None:
    if arguments.here:
        render(settings)
    else:
        _tell(machine.prepare(settings), console)


def _refresh(settings: ProductionSettings) -> None:
    render(settings)
    controller.refresh(settings, of_this_machine(settings))


def _tell(lines: Iterable[str], console: Console) -> None:
    for line in lines:
        console.print(f"[green]✓[/] {line}")


COMMANDS: dict[str, Command] = {
    "up": up,
    "apply": apply,
    "status": status,
    "down": down,
    "upgrade": upgrade,
    "let-in": let_in,
    "put-out": put_out,
    "people": show_people,
    "compose": write_compose,
    "migrate": migrate,
    "run": run,
}
