"""The second nginx: a configuration tried, put in its place, taken up, and read back, or else everything as before."""

from __future__ import annotations

import contextlib
import logging
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

from agent.server.peers_conf import Configuration, Site
from agent.server.secret_files import write_private

TRY_SECONDS: Final = 20.0
RELOAD_SECONDS: Final = 30.0
TAKE_UP_SECONDS: Final = 10.0
SETTLED_SECONDS: Final = 0.3
"""After a reload the old processes accept connections for 0.1 s more; by then none of them does."""
POLL_SECONDS: Final = 0.02
ASK_SECONDS: Final = 2.0
UNIT: Final = "deployer-peers.service"
log = logging.getLogger("agent")


class ProxyError(Exception):
    """The proxy did not take a configuration, which it says why; it goes on with the one it had."""


class Proxy(Protocol):
    """What carries the connections to peers."""

    def in_use(self) -> str:
        """The digest of the configuration that it uses; empty when it does not run."""

    def apply(self, wanted: Configuration) -> None:
        """Use this one from now on; open connections go on. Raises ProxyError, and then the one before is in use."""


def reload_unit() -> None:
    """Has systemd start the proxy, or have it read its configuration again."""
    command = ["systemctl", "reload-or-restart", UNIT]
    run(command, RELOAD_SECONDS, f"`{' '.join(command)}`")


class NginxProxy:
    """The port `Proxy` on nginx with its stream module; the caller sees to it that one call is made at a time."""

    def __init__(self, site: Site, reload: Callable[[], None] = reload_unit) -> None:
        self._site = site
        self._reload = reload

    @property
    def file(self) -> Path:
        """What the unit starts nginx with."""
        return self._site.folder / "nginx.conf"

    def in_use(self) -> str:
        """What the running nginx says."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
            asked.settimeout(ASK_SECONDS)
            asked.connect(str(self._site.socket))
            return _all(asked).decode("ascii", "replace")
        return ""

    def apply(self, wanted: Configuration) -> None:
        """Try it, put it in place, have nginx take it up, and wait until no process uses another."""
        self._try(wanted)
        before = self.file.read_bytes() if self.file.exists() else None
        write_private(self.file, wanted.text.encode())
        try:
            self._reload()
            self._wait(wanted.digest)
        except ProxyError:
            self._restore(before)
            raise
        log.info("peers taken up", extra={"fields": {"digest": wanted.digest[:12]}})

    def _try(self, wanted: Configuration) -> None:
        draft = self._site.folder / "draft.conf"
        write_private(draft, wanted.text.encode())
        try:
            run(["nginx", "-q", "-t", "-e", "stderr", "-c", str(draft)], TRY_SECONDS, "nginx, asked to try it,")
        finally:
            draft.unlink(missing_ok=True)

    def _wait(self, digest: str) -> None:
        """Until nginx has said this digest, and no other, for as long as old processes may still answer."""
        deadline, since = time.monotonic() + TAKE_UP_SECONDS, time.monotonic()
        while time.monotonic() - since < SETTLED_SECONDS:
            found = self.in_use()
            if found != digest:
                since = time.monotonic()
            if since > deadline:
                raise ProxyError(f"nginx uses {found[:12] or 'nothing'} {TAKE_UP_SECONDS:g} s after the reload")
            time.sleep(POLL_SECONDS)

    def _restore(self, before: bytes | None) -> None:
        if before is None:
            self.file.unlink(missing_ok=True)
        else:
            write_private(self.file, before)
        with contextlib.suppress(ProxyError):  # it may be away altogether: it reads the file when it is back
            self._reload()


def run(command: Sequence[str], seconds: float, what: str) -> None:
    """Run a command; raises ProxyError with what it said when it fails."""
    try:
        subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip()
        raise ProxyError(f"{what} failed: {said[-1000:]}") from error


def _all(opened: socket.socket) -> bytes:
    content = b""
    while chunk := opened.recv(4096):
        content += chunk
    return content
