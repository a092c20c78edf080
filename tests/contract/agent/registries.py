"""A registry of the test's own: Debian's `docker-registry` on this machine alone, open or behind a login."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import httpx

from tests.contract.sandbox.cloudflare.serving import free_port, until

PROGRAM = "/usr/bin/docker-registry"
LOCAL = "127.0.0.1"
"""The address with which every dockerd talks without TLS."""
START_SECONDS = 15.0


@contextlib.contextmanager
def serving(folder: Path, login: tuple[str, str] | None = None) -> Iterator[str]:
    """Its `address:port`, for as long as it serves."""
    address = f"{LOCAL}:{free_port(LOCAL)}"
    config = folder / "registry.json"
    config.write_text(json.dumps(_config(folder, address, login)))  # JSON is YAML as well
    with (folder / "registry.log").open("ab") as log:
        process = subprocess.Popen([PROGRAM, "serve", str(config)], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        until(lambda: _answers(address), "the registry answers", START_SECONDS)
        yield address
    finally:
        process.terminate()
        process.wait(START_SECONDS)


def _config(folder: Path, address: str, login: tuple[str, str] | None) -> dict[str, object]:
    config: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "images")}},
        "http": {"addr": address},
    }
    if login:
        user, password = login
        known = folder / "htpasswd"
        known.write_text(f"{user}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()}\n")
        config["auth"] = {"htpasswd": {"realm": "tests", "path": str(known)}}
    return config


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"http://{address}/v2/", timeout=1).status_code in (200, 401)
    except httpx.TransportError:
        return False
