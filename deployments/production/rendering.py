"""The files of a production controller, rendered from its settings; what is the same already is not written again."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from deployments import profile, server
from deployments.files import write_private
from deployments.production import certificates, gateway
from deployments.production.parts import Part, folder, migration, parts
from deployments.production.people import everybody
from deployments.production.settings import ProductionSettings

TEMPORARY = ("body", "proxy", "fastcgi", "uwsgi", "scgi")


@dataclass(frozen=True)
class File:
    """A file to be, and who beside root may read it."""

    path: Path
    text: str
    reader: str | None = None
    """A user; none: root alone."""


def render(settings: ProductionSettings, user: str | None = None) -> list[Path]:
    """Writes every file that is not as it should be; gives the paths of those.

    Args:
        settings: of the controller.
        user: the system user that runs all but the gateway; none: whoever runs this.
    """
    settings.place.mkdir(parents=True, exist_ok=True)
    _folders(settings, user)
    told = {name: value for name, value in server.environment(settings).items() if name.startswith("PREFECT_API_")}
    profile.write(settings.home, told)
    if user:
        shutil.chown(settings.home / "profiles.toml", user, user)
    return [file.path for file in files(settings, user) if _write(file)]


def files(settings: ProductionSettings, user: str | None = None) -> list[File]:
    """What is rendered."""
    inside = settings.place / "gateway"
    people = everybody(settings, known=_text(inside / "passwords"))
    return [
        File(settings.place / "redis.conf", redis(settings), user),
        *(File(environment_file(settings, part), variables(part)) for part in (migration(settings), *parts(settings))),
        File(inside / "nginx.conf", gateway.configuration(settings, inside)),
        File(inside / "gateway.lua", gateway.lua()),
        File(inside / "rules.json", gateway.roles(people)),
        File(inside / "passwords", gateway.passwords(people), "www-data"),
        File(inside / "machine.conf", gateway.machine(settings)),
        *_certificate(settings, inside),
    ]


def environment_file(settings: ProductionSettings, part: Part) -> Path:
    """Where the variables of a part are; systemd reads it as root."""
    return settings.place / f"{part.name}.env"


def variables(part: Part) -> str:
    """A part's variables, as systemd reads them."""
    return "".join(f"{name}={_quoted(value)}\n" for name, value in sorted({**part.values, **part.secrets}.items()))


def redis(settings: ProductionSettings) -> str:
    """Redis' configuration: loopback only, a password, and nothing lost by a restart but the last second."""
    lines = {
        "bind": settings.redis_host,
        "port": str(settings.redis_port),
        "requirepass": settings.redis_password.get_secret_value(),
        "dir": str(folder(settings) / "redis"),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory": "256mb",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    return "".join(f"{name} {value}\n" for name, value in lines.items())


def _certificate(settings: ProductionSettings, inside: Path) -> list[File]:
    path = inside / "certificate.pem"
    if settings.certificate or certificates.is_good(_text(path), settings.gateway_name):
        return []
    certificate, key = certificates.signed_by_itself(settings.gateway_name)
    return [File(path, certificate), File(inside / "certificate.key", key)]


def _folders(settings: ProductionSettings, user: str | None) -> None:
    for name in ("redis", "prefect"):
        (folder(settings) / name).mkdir(parents=True, exist_ok=True)
    settings.audit.parent.mkdir(exist_ok=True)
    for name in TEMPORARY:
        (settings.place / "gateway" / "tmp" / name).mkdir(parents=True, exist_ok=True)
    if user:
        for name in ("redis", "prefect"):
            (folder(settings) / name).chmod(0o700)
            shutil.chown(folder(settings) / name, user)


def _write(file: File) -> bool:
    if file.path.exists() and file.path.read_text() == file.text:
        return False
    write_private(file.path, file.text)
    if file.reader:
        shutil.chown(file.path, file.reader)
    return True


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
