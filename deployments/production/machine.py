"""Makes a Debian machine ready to be a controller: packages, a user, a database. All of it may be repeated."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from deployments.processes import ProcessFailed
from deployments.production.parts import folder
from deployments.production.rendering import File, render
from deployments.production.settings import ENV, ProductionSettings
from deployments.production.supervisors import Systemd
from deployments.production.units import USER, units
from deployments.settings import ROOT

PACKAGES = {
    "/usr/lib/postgresql": "postgresql",
    "/usr/bin/redis-server": "redis-server",
    "/usr/sbin/nginx": "nginx-light",
    "/usr/lib/nginx/modules/ngx_http_lua_module.so": "libnginx-mod-http-lua",
    "/usr/share/lua/5.1/cjson/util.lua": "lua-cjson",
    "/usr/bin/openssl": "openssl",
}
"""What must be there, and the package that brings it."""
OTHERS = ("nginx.service", "redis-server.service")
"""Units of these packages that we do not use: ours have configurations of their own."""
INSTALL_SECONDS = 900


def prepare(settings: ProductionSettings) -> Iterator[str]:
    """Packages, user, database, files and units; gives a line for each.

    Raises:
        ProcessFailed: this is not a Debian with systemd, or not root, or a step failed; the message says what to do.
    """
    _check()
    yield _packages()
    yield _user()
    yield _database(settings)
    changed = render(settings, USER)
    changed += [file.path for file in units(settings) if _write_unit(file)]
    _hand_over(settings)
    Systemd().adopt()
    yield f"Files: {len(changed)} written in {settings.place} and /etc/systemd/system"


def _check() -> None:
    if os.geteuid() or not shutil.which("apt-get") or not Path("/run/systemd/system").exists():
        raise ProcessFailed(
            "A production controller is set up on Debian with systemd, as root. Elsewhere: `python -m deployments "
            "production compose`, or start what you have with `up --here`, which installs nothing."
        )


def _packages() -> str:
    missing = [package for path, package in PACKAGES.items() if not Path(path).exists()]
    if missing:
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        run("apt-get", "update", "--quiet", environment=quiet)
        run("apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *missing, environment=quiet)
        for unit in OTHERS:
            run("systemctl", "disable", "--now", unit)
    return f"Packages: {', '.join(missing) or 'all there'}"


def _user() -> str:
    found = subprocess.run(["id", USER], capture_output=True, timeout=30, check=False).returncode == 0
    if not found:
        run("useradd", "--system", "--home-dir", str(ROOT), "--shell", "/usr/sbin/nologin", USER)
    return f"User: {USER}"


def _database(settings: ProductionSettings) -> str:
    if "@/" not in settings.database_url.get_secret_value():
        return "Database: elsewhere, as DEPLOYER_DATABASE_URL says"
    run("systemctl", "start", "postgresql.service")
    if USER not in _psql("select rolname from pg_roles"):
        run("runuser", "-u", "postgres", "--", "createuser", USER)
    if USER not in _psql("select datname from pg_database"):
        run("runuser", "-u", "postgres", "--", "createdb", "--owner", USER, USER)
    return f"Database: {USER} in this machine's Postgres, for the user of that name alone"


def _psql(question: str) -> list[str]:
    told = run("runuser", "-u", "postgres", "--", "psql", "--tuples-only", "--no-align", "--command", question)
    return told.split()


def _write_unit(file: File) -> bool:
    if file.path.exists() and file.path.read_text() == file.text:
        return False
    file.path.write_text(file.text)
    return True


def _hand_over(settings: ProductionSettings) -> None:
    # Runs read the settings, and write what they remember. The code is root's, and so is the audit: the state folder is
    # sticky, so that what is root's in it cannot be moved away.
    state = folder(settings)
    for path in state.iterdir():
        if path != settings.audit.parent:
            run("chown", "--recursive", f"{USER}:{USER}", str(path))
    run("chown", f"{USER}:{USER}", str(ENV))
    run("chown", f"root:{USER}", str(state))
    state.chmod(0o1770)
    _seal(settings.audit)


def _seal(audit: Path) -> None:
    # On file systems that can, not even root's programs rewrite a line of it: they can only add one.
    if not audit.exists():
        audit.touch()
        run("chown", f"root:{USER}", str(audit.parent), str(audit))
        audit.parent.chmod(0o750)
        audit.chmod(0o640)
        subprocess.run(["chattr", "+a", str(audit)], capture_output=True, timeout=30, check=False)


def run(*command: str, environment: dict[str, str] | None = None) -> str:
    """A command's output.

    Raises:
        ProcessFailed: it failed; the message holds its last lines.
    """
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
    )
    if done.returncode:
        lines = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise ProcessFailed(f"`{' '.join(command)}` failed:\n{lines}")
    return done.stdout
