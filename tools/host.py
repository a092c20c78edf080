"""Gives this machine what the sandbox and the tests need: Debian packages and a running Docker Engine.

Runs before there is a virtual environment, so it uses the standard library only. On Debian and Ubuntu, as root, it
installs what is missing; elsewhere it says exactly what to install. `down` ends the Docker Engine if this started it
and nothing runs on it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STATE = Path(__file__).resolve().parent.parent / ".state"
PID, LOG = STATE / "dockerd.pid", STATE / "dockerd.log"
DEMO = {
    "dockerd": "docker.io",
    "debootstrap": "debootstrap",
    "docker-registry": "docker-registry",
    "iptables": "iptables",
}
TEST = {
    **DEMO,
    "nginx": "nginx-light",
    "/usr/lib/nginx/modules/ngx_http_lua_module.so": "libnginx-mod-http-lua",
    "/usr/lib/nginx/modules/ngx_stream_module.so": "libnginx-mod-stream",
    "/usr/share/lua/5.1/cjson/util.lua": "lua-cjson",
    "/usr/bin/busybox": "busybox-static",
    "chromium": "chromium",
    "redis-server": "redis-server",
    "/usr/lib/postgresql": "postgresql",
}
UNITS = {"nginx-light": "nginx", "redis-server": "redis-server", "postgresql": "postgresql"}
"""What Debian starts when it installs a package, on ports that are not ours to take."""
INSTALL_DEADLINE = 900
START_DEADLINE = 60


def main(command: str) -> int:
    """`demo` or `test` make ready for it, `down` undoes what can be undone; gives the exit status."""
    STATE.mkdir(exist_ok=True)
    if command == "down":
        return stop_docker()
    return install(DEMO if command == "demo" else TEST) or start_docker()


def install(wanted: dict[str, str]) -> int:
    """Installs the packages whose files are missing."""
    missing = [package for file, package in wanted.items() if not (shutil.which(file) or Path(file).exists())]
    if not missing:
        return 0
    apt = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        print(f"Missing on this machine: {', '.join(missing)}. On Debian or Ubuntu, as root:\n  {' '.join(apt)}")
        print("Elsewhere, install Docker Engine 20.10 or newer, debootstrap and docker-registry, and run this again.")
        return 1
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    status = run("Debian's package lists", ["apt-get", "update"], quiet)
    status = status or run(f"Installing {', '.join(missing)}", apt, quiet)
    units = [unit for package, unit in UNITS.items() if package in missing]
    if not status and units and Path("/run/systemd/system").exists():
        status = run(
            f"Ending {', '.join(units)}, which tests start for themselves",
            ["systemctl", "disable", "--now", *units],
            quiet,
        )
    return status


def start_docker() -> int:
    """Starts the Docker Engine unless it answers: by systemd where that runs, else by itself."""
    if answers():
        return 0
    if os.geteuid() != 0:
        print("The Docker Engine does not answer. Start it (systemctl start docker), or run this as root.")
        return 1
    if Path("/run/systemd/system").exists():
        return run("Starting the Docker Engine", ["systemctl", "start", "docker"], dict(os.environ))
    # An engine that was killed leaves its pid file, and refuses to start beside it.
    Path("/var/run/docker.pid").unlink(missing_ok=True)
    with LOG.open("wb") as log:
        child = subprocess.Popen(["dockerd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    PID.write_text(str(child.pid))
    end = time.monotonic() + START_DEADLINE
    while not answers():
        if child.poll() is not None or time.monotonic() > end:
            print(f"The Docker Engine did not start. The end of {LOG}:\n{tail(LOG.read_text(errors='replace'))}")
            return 1
        time.sleep(0.3)
    print("✓ Docker Engine started")
    return 0


def stop_docker() -> int:
    """Ends the Docker Engine if `start_docker` started it here, unless somebody's containers run on it."""
    if not PID.exists():
        return 0
    if names := running():
        print(f"The Docker Engine stays, for its containers: {', '.join(names)}. Once they have ended: make down")
        return 0
    pid = int(PID.read_text())
    if b"dockerd" in (Path(f"/proc/{pid}/cmdline").read_bytes() if Path(f"/proc/{pid}").exists() else b""):
        os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + START_DEADLINE
        while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
            time.sleep(0.2)
        print("✓ Docker Engine stopped")
    PID.unlink()
    return 0


def answers() -> bool:
    """Whether an engine answers here."""
    docker = shutil.which("docker")
    probe = [docker or "docker", "version", "--format", "{{.Server.Version}}"]
    return docker is not None and subprocess.run(probe, capture_output=True, timeout=20).returncode == 0


def running() -> list[str]:
    """The names of the containers that run; none where no engine answers."""
    if not answers():
        return []
    asked = subprocess.run(["docker", "ps", "--format", "{{.Names}}"], capture_output=True, text=True, timeout=20)
    return asked.stdout.split()


def run(what: str, command: list[str], environment: dict[str, str]) -> int:
    """Runs one command with its progress; a failure shows the last lines of its output."""
    began = time.monotonic()
    with tempfile.TemporaryFile("w+b") as log:
        child = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        while child.poll() is None and time.monotonic() - began < INSTALL_DEADLINE:
            if sys.stdout.isatty():
                print(f"\r  {what} ... {time.monotonic() - began:.0f} s", end="", flush=True)
            time.sleep(0.5)
        log.seek(0)
        output = log.read().decode(errors="replace")
    if child.poll() == 0:
        print(f"\r✓ {what} ({time.monotonic() - began:.0f} s)")
        return 0
    child.kill()
    print(f"\r✗ {what} failed: `{' '.join(command)}`\n{tail(output)}\nRun it by hand to see more, then repeat this.")
    return 1


def tail(text: str) -> str:
    """The last lines of a log."""
    return "\n".join(text.splitlines()[-20:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
