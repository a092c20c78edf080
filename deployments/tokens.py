"""`python -m deployments rotate-tokens digitalocean | cloudflare`: another token of a provider, examined at the door.

The new one is read from the terminal without being shown, or from the first line of the standard input; it is never an
argument, which everybody on the machine could read. Nothing changes before it was examined. Then `.env` has it, and the
credentials block, in this order: a death in between is mended by the next `apply`, and by a repetition.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import os
import sys
from typing import TYPE_CHECKING, Final, cast

from pydantic import SecretStr
from rich.console import Console

from deployments.settings import ROOT, Settings, replace
from fleet import naming
from fleet.errors import InvalidInput, Refused

if TYPE_CHECKING:
    from fleet.cloud.ports import Account, Dns

FILE: Final = ROOT / ".env"
SCOPES: Final = (
    "droplet, image, snapshot, firewall, tag and ssh_key (read, create, update, delete), and account, regions, sizes "
    "and actions (read)"
)
UNREADABLE: Final = (
    "DigitalOcean does not tell what a token may write, nor what it may too much: make it with custom scopes, these "
    f"alone: {SCOPES}."
)


# The type of what `add_subparsers` gives has no public name.
def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `rotate-tokens` to the command line."""
    command = commands.add_parser(
        "rotate-tokens", help="put another token of a provider in its place, once it is examined"
    )
    command.add_argument("provider", choices=("digitalocean", "cloudflare"))


def rotate(settings: Settings, provider: str, console: Console) -> int:
    """Examines a new token, puts it in its place, and says what is left to do; the exit status is 0 once it is there.

    Raises:
        InvalidInput: it cannot take the place of the present one; nothing was changed.
        Refused: the provider does not accept it; nothing was changed.
    """
    name = f"DEPLOYER_{provider.upper()}_TOKEN"
    _check_place(settings, name)
    token = _read(provider)
    done = asyncio.run({"digitalocean": _digitalocean, "cloudflare": _cloudflare}[provider](settings, name, token))
    for line in done:
        console.print(line, markup=False, soft_wrap=True)
    return 0


def examine_digitalocean(account: Account, known: frozenset[str]) -> list[str]:
    """What is to be said of a token that may take the place of another.

    Args:
        account: what the new token may see.
        known: the owners that the present token, or else the zone's records, tell of; empty: nobody tells.

    Raises:
        InvalidInput: it is of another team, or may read too little.
        Refused: it is not accepted.
    """
    owner = account.read_owner()
    if known and owner not in known:
        raise InvalidInput(
            f"The new token belongs to another DigitalOcean team ({owner}) than what runs ({', '.join(known)}).",
            hint="Make one in the same team. Nothing was changed.",
        )
    if missing := account.read_missing():
        raise InvalidInput(
            f"The new token lacks {', '.join(missing)}.", hint=f"Needed are {SCOPES}. Nothing was changed."
        )
    unknown = (
        [] if known else ["Nobody could say whether it is of the same team as the one before: that one is refused."]
    )
    return [*unknown, UNREADABLE]


def examine_cloudflare(dns: Dns) -> list[str]:
    """What is to be said of a token that may take the place of another.

    Raises:
        InvalidInput: it does not see the zone.
        Refused: it is not accepted, or not active.
    """
    facts, zone = dns.read_token(), dns.read_zone()
    dns.read_records(name=zone)
    others = [one for one in facts.zones if one != zone]
    told = [f"It sees other zones too ({', '.join(others)}): more than it needs."] if others else []
    ends = (
        f"It ends on {facts.expires:%Y-%m-%d}: replace it before." if facts.expires else "It has no end that is told."
    )
    return [
        *told,
        ends,
        "Cloudflare does not tell whether it may write: needed are Zone Read and DNS Edit on this zone.",
    ]


def owners(present: Account, dns: Dns) -> frozenset[str]:
    """Whose the droplets are, as the present token tells; where it is refused already, as the zone's records do."""
    try:
        return frozenset({present.read_owner()})
    except Refused:
        ours = [one.comment for one in dns.read_records(comment=f"{naming.TAG} ")]
        return frozenset(one.split()[1] for one in ours if one.startswith(f"{naming.TAG} "))


async def _digitalocean(settings: Settings, name: str, token: SecretStr) -> list[str]:
    from blocks.cloudflare import CloudflareCredentials  # Prefect reads its settings when it is imported
    from blocks.digitalocean import DigitalOceanCredentials
    from deployments import documents

    kept = cast(DigitalOceanCredentials, await DigitalOceanCredentials.aload("digitalocean"))
    zone = cast(CloudflareCredentials, await CloudflareCredentials.aload("cloudflare"))
    if kept.token == token:
        return ["The block digitalocean has this token already; nothing was changed."]
    if kept.former_token.get_secret_value() not in ("", token.get_secret_value()):
        raise InvalidInput(
            "The token before the present one is still in use by droplets.",
            hint="Run rotate-keys for every environment, then this again. Nothing was changed.",
        )
    new = documents.succeed(kept, kept.model_copy(update={"token": token}))
    known = await asyncio.to_thread(owners, kept.client().account, zone.client())
    said = await asyncio.to_thread(examine_digitalocean, new.client().account, known)
    replace(FILE, {name: token.get_secret_value(), "DEPLOYER_SEED": new.seed.get_secret_value()})
    await documents.ensure_documents(settings.model_copy(update={"digitalocean_token": token}))
    return [
        "The new token is in .env and in the block digitalocean; the one before is kept there as the former token.",
        *said,
        "Left to do: 1. run rotate-keys for every environment of this team, until it says that the former token is "
        "gone. 2. Once no run from before is under way, revoke the old token in DigitalOcean's control panel.",
    ]


async def _cloudflare(settings: Settings, name: str, token: SecretStr) -> list[str]:
    from blocks.cloudflare import CloudflareCredentials  # Prefect reads its settings when it is imported
    from deployments import documents

    kept = cast(CloudflareCredentials, await CloudflareCredentials.aload("cloudflare"))
    if kept.token == token:
        return ["The block cloudflare has this token already; nothing was changed."]
    new = kept.model_copy(update={"token": token})
    said = await asyncio.to_thread(examine_cloudflare, new.client())
    replace(FILE, {name: token.get_secret_value()})
    await documents.ensure_documents(settings.model_copy(update={"cloudflare_token": token}))
    return [
        "The new token is in .env and in the block cloudflare.",
        *said,
        "Left to do: once no run from before is under way, delete the old token in Cloudflare's dashboard.",
    ]


def _check_place(settings: Settings, name: str) -> None:
    """Whether the tokens are this file's to change."""
    if name in os.environ:
        raise InvalidInput(
            f"{name} is set in the environment, which goes before .env.", hint="Change it there, then run `apply`."
        )
    if not (settings.digitalocean_token and settings.cloudflare_token and settings.cloudflare_zone):
        raise InvalidInput(
            "The tokens are not in .env.",
            hint="Edit the credentials block in the UI: the old DigitalOcean token goes into the field Former token.",
        )


def _read(provider: str) -> SecretStr:
    """The new token, from whoever sits there or from the standard input.

    Raises:
        InvalidInput: it is empty, or holds spaces.
    """
    ask = f"The new {provider} token (it is not shown): "
    given = (getpass.getpass(ask) if sys.stdin.isatty() else sys.stdin.readline()).strip()
    if not given or len(given.split()) != 1:
        raise InvalidInput("That is no token.", hint="Give it in one line, without spaces. Nothing was changed.")
    return SecretStr(given)
