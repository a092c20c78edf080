"""Blocks filled in well, to be changed in one place by a test."""

from __future__ import annotations

from typing import Any

from blocks.cloudflare import CloudflareCredentials
from blocks.digitalocean import DigitalOceanCredentials
from blocks.environment import Environment
from blocks.service import BuildFromFolder, BuildFromGit, ImageFromRegistry, Service, WebService
from blocks.snapshot import Snapshot

DIGITALOCEAN_TOKEN = "dop_v1_0123456789abcdef"
CLOUDFLARE_TOKEN = "cf-0123456789abcdef"
GIT_TOKEN = "ghp_0123456789abcdef"
SECRET = "hunter2-the-password"


def digitalocean(**changes: Any) -> DigitalOceanCredentials:
    """The credentials of a team."""
    return DigitalOceanCredentials.model_validate({"token": DIGITALOCEAN_TOKEN, **changes})


def cloudflare(**changes: Any) -> CloudflareCredentials:
    """The credentials of a zone."""
    return CloudflareCredentials.model_validate({"token": CLOUDFLARE_TOKEN, "zone": "example.com", **changes})


def snapshot(**changes: Any) -> Snapshot:
    """A base snapshot."""
    return Snapshot.model_validate({"snapshot_id": "9001", "name": "demo-base", "kind": "base", **changes})


def environment(**changes: Any) -> Environment:
    """An environment."""
    given = {
        "project": "demo",
        "name": "prod",
        "region": "fra1",
        "snapshot": snapshot(),
        "digitalocean": digitalocean(),
        "cloudflare": cloudflare(),
        "controller_addresses": ["203.0.113.7/32"],
    }
    return Environment.model_validate({**given, **changes})


def folder(**changes: Any) -> BuildFromFolder:
    """An image that is built."""
    return BuildFromFolder.model_validate({"context": "/srv/shop", **changes})


def registry(**changes: Any) -> ImageFromRegistry:
    """An image that is pulled."""
    return ImageFromRegistry.model_validate({"reference": "ghcr.io/acme/shop:1.4.2", **changes})


def git(**changes: Any) -> BuildFromGit:
    """An image that is built from a private repository."""
    given = {"url": "https://github.com/acme/shop.git", "revision": "v1.4.2", "token": GIT_TOKEN}
    return BuildFromGit.model_validate({**given, **changes})


def web(**changes: Any) -> WebService:
    """A port behind a domain."""
    return WebService.model_validate({"port": 8080, "domains": ["hello.example.com"], **changes})


def service(**changes: Any) -> Service:
    """A service."""
    given = {"name": "hello", "environment": environment(), "image": folder(), "runs": web()}
    return Service.model_validate({**given, "secrets": {"PASSWORD": SECRET}, **changes})
