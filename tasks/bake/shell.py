"""One verified SSH connection to a droplet that is being baked: commands with a deadline, and files.

Commands are lists of arguments; each is quoted here, once, so no value ever becomes shell syntax.
"""

from __future__ import annotations

import base64
import io
import shlex
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Final

import fabric  # type: ignore[import-untyped]  # fabric ships no types
import paramiko  # type: ignore[import-untyped]  # nor does paramiko
from invoke.exceptions import CommandTimedOut

from fleet.errors import PermanentError, TransientError

Log = Callable[[str], None]
"""Takes one line of progress."""

CONNECT_SECONDS: Final = 120.0
COMMAND_SECONDS: Final = 120.0
_TRY_SECONDS: Final = 10.0
_PAUSE_SECONDS: Final = 0.5
_KEEPALIVE_SECONDS: Final = 15
_PROGRESS_SECONDS: Final = 2.0
_EVIDENCE_LINES: Final = 15
_AGAIN: Final = "Run build-snapshot again: it starts from a fresh droplet."


class Shell:
    """Root's shell on the droplet at `address`, over a connection whose host key was checked."""

    def __init__(self, address: str, connection: fabric.Connection, log: Log) -> None:
        self.address = address
        self.log = log
        self._connection = connection

    def run(self, *command: str, timeout: float = COMMAND_SECONDS, accept: Sequence[int] = (0,)) -> str:
        """Run a command and return what it printed.

        Raises TransientError after `timeout` seconds or when the connection breaks, and PermanentError with the
        last lines of its output for an exit code that is not in `accept`.
        """
        words = shlex.join(command)
        try:
            result: Any = self._connection.run(
                words, out_stream=_Progress(self.log), err_stream=io.StringIO(),
                warn=True, pty=False, in_stream=False, timeout=timeout, encoding="utf-8",
            )  # fmt: skip
        except CommandTimedOut as error:
            raise TransientError(
                f"{self.address}: `{words}` did not end within {timeout:.0f} s.{_evidence(error.result)}", hint=_AGAIN
            ) from error
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise TransientError(
                f"{self.address}: the connection broke during `{words}`: {error}.", hint=_AGAIN
            ) from error
        if result.exited not in accept:
            raise PermanentError(
                f"{self.address}: `{words}` failed with exit code {result.exited}.{_evidence(result)}", hint=_AGAIN
            )
        return str(result.stdout)

    def read(self, path: str) -> str | None:
        """The text of a file, or None when there is none."""
        with self._connection.client.open_sftp() as sftp:
            try:
                with sftp.open(path) as file:
                    return str(file.read().decode())
            except FileNotFoundError:
                return None

    def write(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Put a file in its place at once, with its mode; a reader sees the old one or the new one."""
        fresh = f"{path}.new"
        with self._connection.client.open_sftp() as sftp:
            sftp.putfo(io.BytesIO(content), fresh, file_size=len(content))
            sftp.chmod(fresh, mode)
            sftp.posix_rename(fresh, path)

    def close(self) -> None:
        """End the connection; what still runs there goes on."""
        self._connection.close()

    def __enter__(self) -> Shell:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Progress(io.TextIOBase):
    """Passes on a line of a long command's output every now and then, so that a wait is seen to be alive."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._spoken = time.monotonic()

    def write(self, text: str) -> int:
        line = text.strip().splitlines()[-1:]
        if line and time.monotonic() - self._spoken > _PROGRESS_SECONDS:
            self._spoken = time.monotonic()
            self._log(f"  {line[0][:120]}")
        return len(text)


def connect(address: str, key: str, host_key: str, log: Log, *, timeout: float = CONNECT_SECONDS) -> Shell:
    """Log in as root at `address`, waiting up to `timeout` seconds for sshd to come up.

    `key` is the private key in OpenSSH's format, `host_key` the public line that the droplet must prove to hold.
    Raises PermanentError at once for another host key or a refused login, TransientError at the deadline.
    """
    deadline = time.monotonic() + timeout
    last = "nothing tried yet"
    while time.monotonic() < deadline:
        connection = _connection(address, key, host_key)
        try:
            connection.open()
            connection.transport.set_keepalive(_KEEPALIVE_SECONDS)
            return Shell(address, connection, log)
        except paramiko.BadHostKeyException as error:
            raise PermanentError(
                f"{address}: another machine answers on port 22: its host key is not the one in the user data.",
                hint="Check that the address belongs to the new droplet, then run build-snapshot again.",
            ) from error
        except paramiko.AuthenticationException as error:
            raise PermanentError(
                f"{address}: sshd does not accept the bake key.",
                hint="The droplet was baked and sealed already, or its user data did not run; start from a fresh one.",
            ) from error
        except (OSError, EOFError, paramiko.SSHException) as error:
            last = str(error) or type(error).__name__
            with suppress(Exception):  # a half-open connection may fail to close; the next try makes its own
                connection.close()
        time.sleep(_PAUSE_SECONDS)
    raise TransientError(
        f"{address}: no SSH within {timeout:.0f} s; last seen: {last}.",
        hint="Check that the droplet is active and its firewall opens port 22 to this machine's address.",
    )


def answers(address: str, port: int = 22) -> bool:
    """Whether an SSH server greets at the address; a connection that is closed without a greeting is none."""
    try:
        with socket.create_connection((address, port), timeout=3) as opened:
            return opened.recv(4) == b"SSH-"
    except OSError:
        return False


def _connection(address: str, key: str, host_key: str) -> fabric.Connection:
    private = paramiko.Ed25519Key.from_private_key(io.StringIO(key))
    connection = fabric.Connection(
        address,
        user="root",
        port=22,
        connect_timeout=int(_TRY_SECONDS),
        config=fabric.Config(lazy=True),  # no file of this machine's user changes what happens
        connect_kwargs={
            "pkey": private,
            "look_for_keys": False,
            "allow_agent": False,
            "banner_timeout": _TRY_SECONDS,
            "auth_timeout": _TRY_SECONDS,
        },
    )
    algorithm, body = host_key.split()[:2]
    client: paramiko.SSHClient = connection.client
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    client.get_host_keys().add(address, algorithm, paramiko.PKey.from_type_string(algorithm, base64.b64decode(body)))
    return connection


def _evidence(result: Any) -> str:
    text = f"{result.stdout}\n{result.stderr}"
    lines = [line.rstrip() for line in text.splitlines() if line.strip()][-_EVIDENCE_LINES:]
    return "".join(f"\n    {line}" for line in lines) + "\n" if lines else ""
