"""Settings of the production controller; its own secrets are made once, and kept in `.env` with the others."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from pydantic import Field, SecretStr

from deployments.settings import ROOT, Settings, remember

ENV = ROOT / ".env"
MADE: dict[str, Callable[[], str]] = {
    "DEPLOYER_ADMIN_LOGIN": lambda: f"admin:{secrets.token_urlsafe(18)}",
    "DEPLOYER_MACHINE_LOGIN": lambda: f"machine:{secrets.token_urlsafe(32)}",
    "DEPLOYER_REDIS_PASSWORD": lambda: secrets.token_urlsafe(32),
}
"""What is made at the first start unless it is set."""


class ProductionSettings(Settings):
    """What a production controller is told, beside what every controller is told.

    `ui_port` is the loopback port at which workers and this machine's commands find the API servers.
    """

    machine_login: SecretStr
    """`name:password` of the Prefect server itself, for workers and this machine's commands; no person has it."""
    redis_password: SecretStr
    redis_host: str = "127.0.0.1"
    redis_port: int = Field(6390, ge=1, le=65535)
    """Not 6379: a Redis that was on the machine before is left alone."""
    database_url: SecretStr = SecretStr("postgresql+asyncpg://deployer@/deployer?host=/var/run/postgresql")
    """Postgres 14.9 or newer. By default the one on this machine, over its socket, where no password is needed."""
    api_ports: tuple[int, ...] = Field((4211, 4212), min_length=2, max_length=8)
    """Loopback ports of the API servers; each is one process."""
    workers: int = Field(2, ge=1, le=8)
    """Worker processes; each carries out up to `runs` runs at once."""
    gateway_address: str = Field("0.0.0.0", pattern=r"^[0-9a-fA-F.:]+$")  # noqa: S104  # it is there to be reached
    gateway_port: int = Field(443, ge=1, le=65535)
    gateway_name: str = Field("localhost", pattern=r"^[A-Za-z0-9.-]{1,253}$")
    """The name, or the address, under which browsers find the gateway."""
    certificate: Path | None = None
    """PEM chain for that name; without it the gateway signs its own."""
    certificate_key: Path | None = None
    place: Path = Path("/etc/deployer")
    """Where the rendered files go; private to root and to the controller's own user."""

    @property
    def api_login(self) -> SecretStr:
        """The login of flows, workers and commands: the machine's, never a person's."""
        return self.machine_login

    @property
    def redis_url(self) -> SecretStr:
        """Where the API servers and the services find Redis."""
        return SecretStr(f"redis://:{self.redis_password.get_secret_value()}@{self.redis_host}:{self.redis_port}/0")


def load(path: Path = ENV) -> ProductionSettings:
    """The settings; secrets that are neither in the file nor in the environment are made, and kept in the file.

    Raises:
        pydantic.ValidationError: a setting has a value that it cannot have; the message names it.
    """
    made = {name: make() for name, make in MADE.items() if name not in os.environ}
    if made:
        remember(path, made)
    return ProductionSettings(_env_file=path)  # type: ignore[call-arg]  # the logins come from the file
