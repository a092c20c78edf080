"""A production controller of a test's own: real Postgres, Redis and nginx, on loopback ports, under one folder."""

from __future__ import annotations

import base64
import secrets
import shutil
import ssl
import subprocess
import tempfile
from pathlib import Path

import httpx
import psutil
from pydantic import SecretStr

from deployments.processes import Process
from deployments.production import people
from deployments.production.parts import Part, folder, parts
from deployments.production.rendering import render
from deployments.production.roles import Role
from deployments.production.settings import ProductionSettings
from deployments.production.supervisors import Processes
from tests.contract.sandbox.cloudflare.serving import free_port

POSTGRES = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/usr/lib/postgresql/none/bin"))
SECONDS = 60


class Stack:
    """What the tests do with it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="deployer-production-"))
        self.folder.chmod(0o755)  # nginx and Postgres have users of their own
        self.postgres = Postgres(self.folder / "postgres")
        self.settings = ProductionSettings(  # type: ignore[call-arg]  # not an .env of this checkout
            _env_file=None,
            admin_login=SecretStr("admin:canary-admin-51d0"),
            machine_login=SecretStr("machine:canary-machine-aa07"),
            redis_password=SecretStr("canary-redis-9e1c"),
            redis_port=free_port(),
            database_url=SecretStr(self.postgres.url),
            api_ports=(free_port(), free_port()),
            ui_port=free_port(),
            gateway_address="127.0.0.1",
            gateway_port=free_port(),
            place=self.folder / "etc",
            state=self.folder / "state",
            public_addresses=(),
        )
        self.supervisor = Processes(self.settings)
        self.authorizations: dict[str, str] = {}
        """What a person's browser says, by name."""

    def part(self, name: str) -> Part:
        """By the end of its name."""
        return next(part for part in parts(self.settings) if part.name == f"deployer-{name}")

    def process(self, name: str) -> Process:
        """The process of a part."""
        return self.supervisor.process(self.part(name))

    def kill(self, name: str) -> None:
        """SIGKILL to a part, and nothing to its children."""
        found = self.process(name).find()
        assert found is not None, f"{name} runs"
        found.kill()
        psutil.wait_procs([found], timeout=SECONDS)

    def let_in(self, name: str, role: Role) -> httpx.Client:
        """A new person's browser; the gateway has to read its files before it knows the login."""
        password = people.let_in(self.settings, name, role)
        self.authorizations[name] = "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()
        render(self.settings)
        return self.browser(name, password)

    def browser(self, name: str, password: str) -> httpx.Client:
        """Somebody who trusts the gateway's certificate."""
        url = f"https://localhost:{self.settings.gateway_port}"
        return httpx.Client(base_url=url, auth=(name, password), verify=self.trust(), timeout=SECONDS)

    def trust(self) -> ssl.SSLContext:
        """Trusts the gateway's own certificate, and no other."""
        return ssl.create_default_context(cafile=str(self.settings.place / "gateway" / "certificate.pem"))

    def close(self) -> None:
        """Ends everything by force, and removes the folder."""
        for part in reversed(parts(self.settings)):
            self.supervisor.process(part).stop()
        self.postgres.stop()
        shutil.rmtree(self.folder)


class Postgres:
    """A cluster of its own; Postgres refuses to be root, so it belongs to Debian's user for it."""

    def __init__(self, place: Path) -> None:
        self.place, self.port, self.password = place, free_port(), secrets.token_hex(8)
        place.mkdir()
        shutil.chown(place, "postgres")

    @property
    def url(self) -> str:
        """For Prefect."""
        return f"postgresql+asyncpg://deployer:{self.password}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Makes the cluster the first time, and waits until it answers."""
        data = self.place / "data"
        if not data.exists():
            secret = self.place / "password"
            secret.write_text(self.password)
            shutil.chown(secret, "postgres")
            self._run("initdb", "--pgdata", str(data), "--auth", "scram-sha-256", "--username", "deployer",
                      "--pwfile", str(secret), "--no-sync")  # fmt: skip
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.place} -c fsync=off"
        log = str(self.place / "log")
        self._run("pg_ctl", "--pgdata", str(data), "--wait", "--log", log, "--options", options, "start")

    def stop(self) -> None:
        """Ends it at once."""
        data = self.place / "data"
        if (data / "postmaster.pid").exists():
            self._run("pg_ctl", "--pgdata", str(data), "--mode", "immediate", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        command = ["runuser", "-u", "postgres", "--", str(POSTGRES / program), *arguments]
        subprocess.run(command, check=True, timeout=SECONDS, stdout=subprocess.DEVNULL, cwd=self.place)


def written(stack: Stack) -> str:
    """Everything that the controller wrote by itself: logs and the audit."""
    found = [path for path in folder(stack.settings).rglob("*") if path.suffix in (".log", ".jsonl")]
    return "\n".join(path.read_text(errors="replace") for path in found)
