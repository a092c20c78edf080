"""Block types and the first block documents, made from settings; what a person edited stays as it is."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from prefect.blocks.core import Block
from pydantic import SecretStr

from blocks.base_image import BaseImage
from blocks.cloudflare import CloudflareCredentials
from blocks.digitalocean import DigitalOceanCredentials
from blocks.environment import Environment
from blocks.notifications import Notifications
from blocks.release import Release
from blocks.service import Service
from blocks.snapshot import Snapshot
from deployments.settings import Settings

TYPES: tuple[type[Block], ...] = (
    DigitalOceanCredentials,
    CloudflareCredentials,
    Snapshot,
    BaseImage,
    Notifications,
    Environment,
    Service,
    Release,
)
"""In the order of their nesting: a type's parts are registered before it."""


async def ensure_types() -> str:
    """Makes the server know every block type in its present form."""
    for block in TYPES:
        await block.aregister_type_and_schema()
    return f"Block types: {', '.join(block.get_block_type_slug() for block in TYPES)}"


async def ensure_documents(settings: Settings) -> list[str]:
    """The credentials as the settings say, and an environment unless there is one; gives a line for each."""
    if not (settings.digitalocean_token and settings.cloudflare_token and settings.cloudflare_zone):
        return ["Block documents: none; put both tokens and the zone into .env, or fill the blocks in by hand"]
    ca_file = settings.ca_file.resolve() if settings.ca_file else None
    digitalocean = await _digitalocean(settings.digitalocean_token, settings, ca_file)
    cloudflare = CloudflareCredentials(
        token=settings.cloudflare_token,
        zone=settings.cloudflare_zone,
        api_url=settings.cloudflare_api_url,
        ca_file=ca_file,
        service_url=settings.service_url,
    )
    await digitalocean.save("digitalocean", overwrite=True)
    await cloudflare.save("cloudflare", overwrite=True)
    return ["Blocks: digitalocean, cloudflare", await _environment(settings)]


def succeed(kept: DigitalOceanCredentials, wanted: DigitalOceanCredentials) -> DigitalOceanCredentials:
    """What takes the place of the credentials that are kept, so that no droplet is cut off by a token that is new.

    The token before becomes the former one, and the seed that followed from it is kept.
    """
    old, same = kept.token.get_secret_value(), kept.token == wanted.token
    former = kept.former_token.get_secret_value() if same else old
    seed = kept.seed.get_secret_value() or (wanted.seed.get_secret_value() if same else kept.seed_value())
    return DigitalOceanCredentials(
        token=wanted.token,
        former_token=SecretStr(former),
        seed=SecretStr(seed),
        api_url=wanted.api_url,
        ca_file=wanted.ca_file,
    )


async def _digitalocean(token: SecretStr, settings: Settings, ca_file: Path | None) -> DigitalOceanCredentials:
    wanted = DigitalOceanCredentials(
        token=token, seed=settings.seed or SecretStr(""), api_url=settings.digitalocean_api_url, ca_file=ca_file
    )
    try:
        kept = cast(DigitalOceanCredentials, await DigitalOceanCredentials.aload("digitalocean"))
    except ValueError:  # Prefect's word for a document that is not there
        return wanted
    return succeed(kept, wanted)


async def _environment(settings: Settings) -> str:
    name = f"{settings.project}-{settings.environment}"
    try:
        await Environment.aload(name)
    except ValueError:  # Prefect's word for a document that is not there
        made = Environment(
            project=settings.project,
            name=settings.environment,
            region=settings.region,
            size=settings.size,
            snapshot=None,
            digitalocean=await DigitalOceanCredentials.aload("digitalocean"),
            cloudflare=await CloudflareCredentials.aload("cloudflare"),
            controller_addresses=list(settings.controller_addresses),
        )
        await made.save(name, overwrite=True)
        return f"Environment: {name} made"
    return f"Environment: {name} is there and stays as it is"
