"""A real nginx with the droplet's own configuration, on loopback ports and in a folder of the test's own."""

from __future__ import annotations

import http.client
import shutil
import subprocess
from contextlib import closing, suppress
from pathlib import Path

import psutil

import agent
from agent.server.ports import RouterError
from agent.server.router import Router
from tests.contract.sandbox.cloudflare.serving import free_port, until
from tests.fakes.router import Answer

SOURCE = Path(agent.__file__).parent / "nginx"


class Nginx:
    """nginx as `agent/nginx` has it; only `site/` differs: ports, paths, no TLS."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.file = folder / "routes.json"
        self.router = Router(folder / "admin.sock", self.file, self.port)
        self._process: subprocess.Popen[bytes] | None = None
        shutil.copytree(SOURCE, folder, dirs_exist_ok=True)
        state = f'lua_package_path "{folder}/lua/?.lua;;";\n'
        state += f'init_by_lua_block {{ require("routes").load("{self.file}") }}\n'
        self._site("main", f"pid {folder}/nginx.pid;\n")
        self._site("state", state)
        self._site("listen", f"listen 127.0.0.1:{self.port} default_server;\n")
        self._site("admin", f"listen unix:{folder}/admin.sock;\n")

    def start(self) -> None:
        """Start it and wait until it answers."""
        (self.folder / "admin.sock").unlink(missing_ok=True)
        command = ["nginx", "-e", "stderr", "-c", str(self.folder / "nginx.conf"), "-g", "daemon off;"]
        with (self.folder / "stderr").open("ab") as log:
            self._process = subprocess.Popen(command, stderr=log)
        until(self._answers, "nginx answers")

    def stop(self) -> None:
        """End it at once."""
        if self._process:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def kill_workers(self) -> None:
        """Kill every worker; the master starts others."""
        assert self._process is not None
        for worker in psutil.Process(self._process.pid).children():
            worker.kill()

    def get(self, host: str, path: str = "/") -> tuple[int, str]:
        """A visitor's request: status and body."""
        found = self.ask(host, path)
        return found.status, found.body

    def ask(self, host: str, path: str = "/", accept: str = "*/*") -> Answer:
        """A visitor's request, as a browser (which accepts `text/html`) or any other program makes it."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request("GET", path, headers={"Host": host, "Accept": accept})
            reply = connection.getresponse()
            headers = {name.lower(): value for name, value in reply.getheaders()}
            return Answer(reply.status, reply.read().decode(), headers)

    def _answers(self) -> bool:
        with suppress(RouterError):
            self.router.read()
            return True
        return False

    def _site(self, name: str, text: str) -> None:
        (self.folder / "site" / f"{name}.conf").write_text(text)
