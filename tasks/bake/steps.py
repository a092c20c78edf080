"""The steps that turn a fresh Debian 12 into a base: each has a name, may run twice, and leaves the same state.

`INSTALL` is a tuple of phases; the steps of one phase run at the same time.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from fleet.errors import PermanentError
from tasks.bake import wheelhouse
from tasks.bake.shell import Shell

PACKAGES: Final = (
    "apparmor",
    "ca-certificates",
    "docker.io",
    "iproute2",
    "iptables",
    "libnginx-mod-http-lua",
    "libnginx-mod-stream",
    "lua-cjson",
    "nginx",
    "openssl",
    "python3",
)
UNITS: Final = (
    "deployer-metadata-wall.service", "deployer-first-boot.service", "deployer-secrets.service",
    "deployer-peers-addresses.service", "deployer-peers.service", "deployer-agent.service",
    "deployer-cron.service", "deployer-settle.service",
)  # fmt: skip
NGINX_LINKS: Final = ("nginx.conf", "site")
PYTHON: Final = "/opt/deployer/bin/python"
_VERSIONS: Final = "/opt/deployer-versions"
"""Each version of the agent has a folder in it; `/opt/deployer` is a link to the one that is used."""
_WORK: Final = "/var/tmp/deployer-bake"  # noqa: S108 - on the droplet, where only root is
_DOCKER_SETTINGS: Final = "/etc/docker/daemon.json"
_PIN: Final = "/etc/apt/preferences.d/deployer"
_SUITE: Final = "bookworm"
_NO_STARTS: Final = "/usr/sbin/policy-rc.d"
_APT_TIMERS: Final = ("apt-daily.timer", "apt-daily-upgrade.timer")
_APT: Final = (
    "env", "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1", "apt-get", "--yes", "--quiet",
    "-o", "DPkg::Lock::Timeout=180", "-o", "Acquire::Retries=3", "-o", "Acquire::Languages=none",
    "-o", "Dpkg::Use-Pty=0", "-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold",
    # The droplet is thrown away when the bake fails, so nothing has to survive a crash half-way.
    "-o", "Dpkg::Options::=--force-unsafe-io",
)  # fmt: skip
_APT_SECONDS: Final = 420.0
_CLOUD_INIT_SECONDS: Final = 240.0


@dataclass(frozen=True)
class Step:
    """One named, repeatable piece of the bake."""

    name: str
    run: Callable[[Shell], None]


def wait_cloud_init(shell: Shell) -> None:
    """Wait until cloud-init has ended: before, apt is locked and the network may change."""
    said = shell.run("cloud-init", "status", "--wait", "--long", timeout=_CLOUD_INIT_SECONDS, accept=(0, 1, 2))
    if "status: done" not in said and "status: disabled" not in said:
        shell.log(f"cloud-init had errors, going on: {' '.join(said.split())[:400]}")


def check_system(shell: Shell) -> None:
    """Refuse anything but Debian 12 on x86-64, for which the packages and wheels are meant."""
    release = shell.read("/etc/os-release") or ""
    machine = shell.run("uname", "--machine").strip()
    words = dict(line.split("=", 1) for line in release.splitlines() if "=" in line)
    found = f"{words.get('ID', '?')} {words.get('VERSION_ID', '?')} {machine}".replace('"', "")
    if found != "debian 12 x86_64":
        raise PermanentError(f"{shell.address} runs {found}.", hint="Bake from the image debian-12-x64.")


def install_packages(shell: Shell) -> None:
    """Install Docker and nginx from Debian 12 alone, without starting them before their settings are there.

    What is installed is held: nothing renews it but the next bake. Exact versions are recorded, not asked for, as
    Debian's mirrors keep only the latest of each.
    """
    shell.write(_PIN, f"Package: *\nPin: release n={_SUITE}*\nPin-Priority: 990\n".encode())
    shell.run("systemctl", "stop", *_APT_TIMERS, "apt-daily.service")
    shell.run("systemctl", "mask", "--quiet", *_APT_TIMERS)  # a base is renewed by a bake, not under what it serves
    shell.run("rm", "-f", "/var/lib/man-db/auto-update")
    shell.write(_NO_STARTS, b"#!/bin/sh\nexit 101\n", mode=0o755)
    try:
        shell.run(*_APT, "update", timeout=_APT_SECONDS)
        shell.run(
            *_APT, "install", "--no-install-recommends", "--allow-change-held-packages", *PACKAGES,
            timeout=_APT_SECONDS,
        )  # fmt: skip
        shell.run("apt-mark", "hold", *PACKAGES)
    finally:
        shell.run("rm", "-f", _NO_STARTS)


def deliver(shell: Shell) -> None:
    """Bring the archive of wheels and system files to the droplet and unpack it beside the system."""
    bundle = wheelhouse.make_bundle(shell.log)
    shell.run("rm", "-rf", _WORK)
    shell.run("mkdir", "-m", "0700", _WORK)
    shell.log(f"sending {len(bundle.archive) / 1e6:.1f} MB")
    shell.write(f"{_WORK}/bundle.tar", bundle.archive)
    shell.run("tar", "--extract", f"--file={_WORK}/bundle.tar", f"--directory={_WORK}", "--no-same-owner")


def install_agent(shell: Shell) -> None:
    """Make /opt/deployer anew from the wheels alone, every one checked by its hash."""
    shell.run("rm", "-rf", "/opt/deployer", _VERSIONS)
    shell.run("python3", "-m", "venv", "--without-pip", f"{_VERSIONS}/baked")
    shell.run("ln", "-s", f"{_VERSIONS}/baked", "/opt/deployer")
    pip = shell.run("find", f"{_WORK}/wheels", "-name", "pip-*.whl").strip()
    shell.run(
        PYTHON, f"{pip}/pip", "--isolated", "--disable-pip-version-check", "install", "--no-index", "--no-cache-dir",
        "--no-deps", "--require-hashes", f"--find-links={_WORK}/wheels", f"--requirement={_WORK}/requirements.txt",
    )  # fmt: skip
    shell.run("cp", f"{_WORK}/agent.json", "/opt/deployer/agent.json")


def install_files(shell: Shell) -> None:
    """Copy the system files to their places and put our settings into Docker's, keeping what others set there."""
    shell.run("cp", "--recursive", "--no-target-directory", f"{_WORK}/root", "/")
    shell.run("mkdir", "-p", "/etc/docker")
    settings = docker_settings(shell.read(_DOCKER_SETTINGS), _DOCKER_SETTINGS)
    shell.write(_DOCKER_SETTINGS, settings.encode())
    for name in NGINX_LINKS:  # nginx looks for what it includes beside the configuration that it was told
        shell.run("ln", "-sfn", f"/etc/deployer/nginx/{name}", f"/etc/nginx/{name}")
    shell.run("rm", "-rf", _WORK)


def start_services(shell: Shell) -> None:
    """Enable our units, and start Docker and nginx with their settings; the agent waits for a droplet's name."""
    shell.run("systemd-tmpfiles", "--create", "/etc/tmpfiles.d/deployer.conf")
    shell.run("systemctl", "daemon-reload")
    shell.run("systemctl", "enable", "--quiet", *UNITS, "containerd.service", "docker.service", "nginx.service")
    # A unit that fails here is found, and its log shown, when the bake verifies.
    shell.run("systemctl", "restart", "systemd-journald.service", "docker.service", "nginx.service", accept=(0, 1))


def docker_settings(present: str | None, path: str) -> str:
    """Docker's settings: those that are there, with ours over them.

    Raises PermanentError when the file at `path` holds something else than a JSON object.
    """
    ours: dict[str, Any] = json.loads((wheelhouse.PACKAGING / "docker.json").read_text())
    try:
        theirs = json.loads(present) if present and present.strip() else {}
        if not isinstance(theirs, dict):
            raise TypeError("not a JSON object")
    except (ValueError, TypeError) as error:
        raise PermanentError(
            f"{path} on the droplet is no JSON object: {error}.", hint="Bake a fresh droplet."
        ) from error
    return json.dumps(theirs | ours, indent=2, sort_keys=True) + "\n"


INSTALL: Final[tuple[tuple[Step, ...], ...]] = (
    (Step("wait for cloud-init", wait_cloud_init),),
    (Step("check the system", check_system),),
    (Step("install packages", install_packages), Step("deliver wheels and files", deliver)),
    (Step("install the agent", install_agent),),
    (Step("install settings", install_files),),
    (Step("start services", start_services),),
)
"""What a bake does, in order, before it verifies."""
