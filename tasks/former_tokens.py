"""The token before: kept in its block while a droplet of any environment may answer to a key from it, and no longer."""

from __future__ import annotations

from typing import cast

from pydantic import SecretStr

from blocks.digitalocean import DigitalOceanCredentials
from blocks.environment import Environment
from tasks import rotation
from tasks.health import list_environments
from tasks.policy import step


def retire(environment: Environment) -> str:
    """Takes the former token out of the block if nothing needs it any more; gives what is to be told of it.

    Without it the controller takes no key and no certificate from it for a droplet's, whoever shows one.
    """
    if not environment.digitalocean.former_token.get_secret_value():
        return ""
    needed = [title for one in _sharing(environment) for title in _in_need(one)]
    if needed:
        return f"The former token stays in its block until rotate-keys was run for: {', '.join(needed)}."
    name = environment.digitalocean._block_document_name  # Prefect has no public word for it
    if not name:
        return "Nothing needs the former token any more: take it out of the block of its credentials."
    forget(name)
    return f"The former token was taken out of the block {name}: nothing answers to keys from it any more."


@step("block {name}: take the former token out")
def forget(name: str) -> None:
    """Saves the credentials without it; absent is fine."""
    found = cast(DigitalOceanCredentials, DigitalOceanCredentials.load(name))
    if found.former_token.get_secret_value():
        found.former_token = SecretStr("")
        found.save(name, overwrite=True)


def _sharing(environment: Environment) -> list[Environment]:
    """All environments of the same token, this one among them."""
    token = environment.digitalocean.token
    others = {one.title(): one for one in list_environments() if one.digitalocean.token == token}
    return [one for _, one in sorted({**others, environment.title(): environment}.items())]


def _in_need(environment: Environment) -> list[str]:
    """The environment's title, if a droplet of it does not answer to a key from the present token alone."""
    seen = rotation.observe(environment)
    return [] if all(one.current and one.tidy and not one.error for one in seen) else [environment.title()]
