"""What an installation is told from outside: the file `.env` and variables named `DEPLOYER_…`.

The same settings give the same admin and the same world on any new database, on a laptop or a server.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from deployments.files import write_private
from tasks.healing.settings import HealingSettings

ROOT = Path(__file__).resolve().parent.parent


class Settings(HealingSettings):
    """Settings of one controller; every field is read from `.env` or from `DEPLOYER_{FIELD}`."""

    model_config = SettingsConfigDict(env_prefix="DEPLOYER_", env_file=".env", extra="ignore")

    admin_login: SecretStr
    """`name:password` of the admin, for the UI, the API and the worker."""
    ui_port: int = Field(4200, ge=1, le=65535)
    """Loopback port of the Prefect server."""
    runs: int = Field(8, ge=1, le=100)
    """How many flow runs of people and programs go on at once, those that wait for an approval among them."""
    retention_days: int = Field(30, ge=1, le=3650)
    """How long finished runs are kept; events stay for a week at most."""
    digitalocean_token: SecretStr | None = None
    seed: SecretStr | None = None
    """What releases are named by, once the first token was replaced; `rotate-tokens` writes it."""
    digitalocean_api_url: str = "https://api.digitalocean.com"
    cloudflare_token: SecretStr | None = None
    cloudflare_api_url: str = "https://api.cloudflare.com/client/v4"
    cloudflare_zone: str | None = None
    ca_file: Path | None = None
    """Certificate authority of both APIs, when it is not a public one."""
    service_url: str = "https://{domain}"
    """Where a browser finds a service; other than this only where an edge of one's own plays Cloudflare."""
    project: str = "demo"
    environment: str = "prod"
    region: str = "fra1"
    size: str = "s-1vcpu-1gb"
    controller_addresses: tuple[str, ...] = ()
    """Addresses (CIDR) from which this controller reaches droplets; the firewalls admit no other to port 9999."""

    @property
    def api_login(self) -> SecretStr:
        """`name:password` with which flows, workers and commands talk to the server."""
        return self.admin_login

    @property
    def home(self) -> Path:
        """The absolute state folder of the Prefect server and worker."""
        return (ROOT / self.state / "prefect").resolve()

    @property
    def ui_url(self) -> str:
        """Where a browser opens the Prefect UI."""
        return f"http://127.0.0.1:{self.ui_port}"


def load() -> Settings:
    """The settings; `.env` is made with a random admin password when there is neither file nor variable.

    Raises:
        pydantic.ValidationError: a setting has a value that it cannot have; the message names it.
    """
    path = ROOT / ".env"
    if not path.exists() and "DEPLOYER_ADMIN_LOGIN" not in os.environ:
        remember(path, {"DEPLOYER_ADMIN_LOGIN": f"admin:{secrets.token_urlsafe(12)}"})
    return Settings(_env_file=path)  # type: ignore[call-arg]  # the login comes from the file


def remember(path: Path, values: dict[str, str]) -> None:
    """Adds settings that the file does not have yet; what a person wrote there stays. The file is private (0600)."""
    lines = path.read_text().splitlines() if path.exists() else []
    known = {line.split("=", 1)[0].strip() for line in lines if "=" in line}
    lines += [f"{name}={value}" for name, value in values.items() if name not in known]
    write_private(path, "\n".join(lines) + "\n")


def replace(path: Path, values: dict[str, str]) -> None:
    """Gives settings of the file other values; those that it does not have are added. The file is private (0600)."""
    forget(path, values)
    remember(path, values)


def forget(path: Path, names: Collection[str]) -> None:
    """Takes settings out of the file, if it is there; the rest of it stays."""
    if path.exists():
        lines = [line for line in path.read_text().splitlines() if line.split("=", 1)[0].strip() not in names]
        write_private(path, "".join(f"{line}\n" for line in lines))
