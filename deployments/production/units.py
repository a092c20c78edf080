"""The controller's systemd units, rendered from its parts."""

from __future__ import annotations

from pathlib import Path

from deployments.production.parts import Part, folder, parts, redis
from deployments.production.rendering import File, environment_file
from deployments.production.settings import ProductionSettings
from deployments.settings import ROOT

TARGET = "deployer.target"
USER = "deployer"
LONGEST_RUN = 3600
"""Seconds that a worker is given to see its runs to their end."""
START, STOP = 180, 30
"""Seconds."""


def units(settings: ProductionSettings, where: Path = Path("/etc/systemd/system")) -> list[File]:
    """A unit for each part, and the target that holds them together."""
    every = parts(settings)
    return [
        File(where / TARGET, target(every)),
        *(File(where / f"{part.name}.service", unit(settings, part)) for part in every),
    ]


def target(every: tuple[Part, ...]) -> str:
    """What is started at boot."""
    wanted = " ".join(f"{part.name}.service" for part in every)
    lines = ["[Unit]", "Description=Deployer's controller", f"Wants={wanted}", ""]
    return "\n".join([*lines, "[Install]", "WantedBy=multi-user.target", ""])


def unit(settings: ProductionSettings, part: Part) -> str:
    """One part's unit: started again whenever it ends, and with no right that it does not need."""
    lines = [
        "[Unit]",
        f"Description=Deployer: {part.name.removeprefix('deployer-')}",
        f"PartOf={TARGET}",
        f"After=network-online.target postgresql.service{' deployer-redis.service' * (part != redis(settings))}",
        "StartLimitIntervalSec=0",  # a machine that boots without its database comes up when it is there
        "",
        "[Service]",
        f"ExecStart={' '.join(_word(one) for one in part.command)}",
        f"EnvironmentFile={environment_file(settings, part)}",
        f"WorkingDirectory={ROOT}",
        *_rights(settings, part),
        "Restart=always",
        "RestartSec=2",
        f"TimeoutStartSec={START}",
        *_end(part),
        "",
        "[Install]",
        f"WantedBy={TARGET}",
        "",
    ]
    return "\n".join(lines)


def _rights(settings: ProductionSettings, part: Part) -> list[str]:
    writable = settings.place / "gateway" / "tmp" if part.root else folder(settings)
    lines = ["NoNewPrivileges=yes", "PrivateTmp=yes", "ProtectSystem=full", f"ReadWritePaths={writable}", "UMask=0077"]
    return lines if part.root else [f"User={USER}", f"Group={USER}", *lines]


def _end(part: Part) -> list[str]:
    if part.ends_alone:
        # The worker alone is told to end: it takes no more runs, and goes when its last one has ended. If it is killed,
        # its runs go on without it.
        return ["KillMode=process", f"TimeoutStopSec={LONGEST_RUN}"]
    return [f"TimeoutStopSec={STOP}"]


def _word(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if any(letter in escaped for letter in ' ";') else escaped
