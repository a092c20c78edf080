"""Block types and the first block documents, made from settings; what a person edited stays as it is."""

from __future__ import annotations

from prefect.blocks.core import Block

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
    digitalocean = DigitalOceanCredentials(
        token=settings.digitalocean_token, api_url=settings.digitalocean_api_url, ca_file=ca_file
    )
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
