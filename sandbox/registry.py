"""Docker Hub in the sandbox: Debian's `docker-registry` with a `debian:12` made by `debootstrap`."""

from __future__ import annotations

import contextlib
import io
import json
import os
import secrets
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from docker import DockerClient

from sandbox import turns
from sandbox.image.archive import SUITE, complete_sources

PROGRAM = "/usr/bin/docker-registry"
REPOSITORY = "library/debian"
TAGS = ("12", "12-slim", "bookworm", "bookworm-slim")
LOCAL = "127.0.0.1"  # the one address that every dockerd pushes to without TLS
START_SECONDS = 15.0
DEBOOTSTRAP_SECONDS = 600

_DROP_IN = "/etc/systemd/system/docker.service.d/sandbox-registry.conf"
_HOST_CERTIFICATES = Path("/usr/local/share/ca-certificates")
_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
_APT = Path("/etc/apt/apt.conf.d")
_IMAGE_FILES = {  # as in Debian's own image: no services in builds, nothing kept that a layer does not need
    "/etc/apt/apt.conf.d/docker-clean": 'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb || true"; };\n',
    "/etc/apt/apt.conf.d/docker-no-languages": 'Acquire::Languages "none";\n',
    "/usr/sbin/policy-rc.d": "#!/bin/sh\nexit 101\n",
}


class RegistryError(RuntimeError):
    """The registry or its image could not be made; the message says what to do."""


def host_settings() -> dict[str, str]:
    """What this host needs of its own to reach package archives, as files by path: apt's `Acquire` options and the
    host's additional certificate authorities. Empty on an ordinary host. For machines and images of the sandbox."""
    files = {str(path): path.read_text() for path in sorted(_APT.glob("*")) if _is_acquire_only(path)}
    extra = sorted(_HOST_CERTIFICATES.glob("**/*.crt"))
    files.update({str(path): path.read_text() for path in extra})
    if extra and _BUNDLE.is_file():
        files[str(_BUNDLE)] = _BUNDLE.read_text()
    return files


def _is_acquire_only(path: Path) -> bool:
    """Whether a file of apt's configuration holds nothing but options of how to fetch, each in its line."""
    lines = [line.strip() for line in path.read_text(errors="replace").splitlines()]
    options = [line for line in lines if line and not line.startswith(("//", "#"))]
    return bool(options) and all(line.startswith("Acquire::") and line.endswith(";") for line in options)


class Registry:
    """A registry for the sandbox's machines, the mirror that their dockerd asks in place of Docker Hub.

    Args: `state` holds the images, configuration and log; `docker` is the host's engine, which pushes the image;
    `addresses` are the host's addresses that machines reach (a Docker network's gateway), the first is told to
    machines; `port` stays the same, since snapshots remember it; `cache` keeps the made root file system.
    """

    def __init__(
        self,
        state: Path,
        docker: DockerClient,
        *,
        addresses: Sequence[str] = ("172.17.0.1",),
        port: int = 7750,
        cache: Path | None = None,
    ) -> None:
        self._directory = (state / "registry").absolute()
        self._docker = docker
        self._addresses = tuple(addresses)
        self._port = port
        self._root = RootFileSystem(cache or turns.cache())
        self._secret = secrets.token_hex(16)  # one for all processes, so that an upload may go to any
        self._children: list[subprocess.Popen[bytes]] = []

    @property
    def address(self) -> str:
        """`ip:port` for machines."""
        return f"{self._addresses[0]}:{self._port}"

    def machine_settings(self) -> dict[str, str]:
        """Files to write into a machine, before its dockerd starts, so that `docker pull debian:12` comes from here."""
        options = f"--registry-mirror=http://{self.address} --insecure-registry={self.address}"
        return {**host_settings(), _DROP_IN: f'[Service]\nEnvironment="DOCKER_OPTS={options}"\n'}

    def start(self) -> None:
        """Serves on every address, and makes and pushes `debian:12` when it is not there (about a minute, once)."""
        if not Path(PROGRAM).exists():
            raise RegistryError(f"{PROGRAM} is missing: apt-get install docker-registry debootstrap")
        self._directory.mkdir(parents=True, exist_ok=True)
        try:
            for address in dict.fromkeys((LOCAL, *self._addresses)):
                self._serve(address)
            self._ensure_image()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends the registry's processes; what they hold stays in the state. May be repeated."""
        for child in self._children:
            child.terminate()
        for child in self._children:
            try:
                child.wait(START_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self._children.clear()
        for file in self._directory.glob("*.pid"):
            file.unlink()

    def _serve(self, address: str) -> None:
        """One process for an address; all share the files."""
        config, pid = self._directory / f"{address}.json", self._directory / f"{address}.pid"
        config.touch(mode=0o600)
        config.write_text(json.dumps(self._config(address)))  # JSON is YAML as well
        _end_leftover(pid, config)
        if _status(address, self._port, "/v2/"):
            raise RegistryError(f"{address}:{self._port} is taken by another server: end it, or choose another port")
        with (self._directory / "registry.log").open("ab") as log:
            child = subprocess.Popen([PROGRAM, "serve", str(config)], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        pid.write_text(str(child.pid))
        self._children.append(child)
        self._await(address, child)

    def _config(self, address: str) -> dict[str, object]:
        return {
            "version": "0.1",
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(self._directory / "images")}},
            "http": {"addr": f"{address}:{self._port}", "secret": self._secret},
        }

    def _await(self, address: str, child: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while _status(address, self._port, "/v2/") != 200:
            if child.poll() is not None or time.monotonic() > deadline:
                tail = (self._directory / "registry.log").read_text(errors="replace").splitlines()[-1:]
                raise RegistryError(f"docker-registry does not serve on {address}:{self._port}: {' '.join(tail)}")
            time.sleep(0.05)

    def _ensure_image(self) -> None:
        """Pushes the image under each tag that is missing, and anew when what it is made from has changed."""
        made, wanted = self._directory / "image.key", self._root.key()
        known = made.exists() and made.read_text() == wanted
        missing = [tag for tag in TAGS if not known or not self._holds(tag)]
        if not missing:
            return
        with self._root.tar() as tar:
            image = _import_image(self._docker, tar)
        try:
            for tag in missing:
                self._push(image, tag)
        finally:
            self._docker.images.remove(image, force=True)
        made.write_text(wanted)

    def _holds(self, tag: str) -> bool:
        return _status(LOCAL, self._port, f"/v2/{REPOSITORY}/manifests/{tag}") == 200

    def _push(self, image: str, tag: str) -> None:
        name = f"{LOCAL}:{self._port}/{REPOSITORY}"
        self._docker.api.tag(image, name, tag)
        for line in self._docker.api.push(name, tag, stream=True, decode=True):
            if "error" in line:
                raise RegistryError(f"pushing {name}:{tag} failed: {line['error']}")


class RootFileSystem:
    """A minimal Debian 12, made once and kept in `cache`."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache

    def key(self) -> str:
        """Stands for everything that the image is made from."""
        return json.dumps({**_IMAGE_FILES, **host_settings()}, sort_keys=True)

    @contextlib.contextmanager
    def tar(self) -> Iterator[Path]:
        """A tar with the image's files and this host's settings; it is gone afterwards."""
        self._cache.mkdir(parents=True, exist_ok=True)
        plain = self._cache / f"debian-{SUITE}.tar"
        with tempfile.TemporaryDirectory(dir=self._cache) as directory:
            if not plain.exists():
                self._make(Path(directory)).rename(plain)
            copy = Path(directory) / "image.tar"
            shutil.copyfile(plain, copy)
            with tarfile.open(copy, "a") as tar:
                for path, text in {**_IMAGE_FILES, **host_settings()}.items():
                    _add(tar, path, text.encode())
            yield copy

    def _make(self, directory: Path) -> Path:
        root, tar = directory / "root", directory / "debian-12.tar"
        _run(["debootstrap", "--variant=minbase", SUITE, str(root)])
        for kept in ("var/lib/apt/lists", "var/cache/apt/archives", "var/log"):
            for entry in (root / kept).iterdir():
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        complete_sources(root)
        without = [f"--exclude=./{place}/*" for place in ("dev", "proc", "sys", "tmp")]
        _run(["tar", "--numeric-owner", *without, "-C", str(root), "-cf", str(tar), "."])
        return tar


def end_leftovers(state: Path) -> None:
    """Ends the registry's processes that a killed sandbox has left. May be repeated."""
    for pid in (state / "registry").absolute().glob("*.pid"):
        _end_leftover(pid, pid.with_suffix(".json"))
        pid.unlink()


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DEBOOTSTRAP_SECONDS, check=False)
    except FileNotFoundError as error:
        raise RegistryError(f"{command[0]} is missing: apt-get install {command[0]}") from error
    if done.returncode:
        tail = " / ".join((done.stdout + done.stderr).splitlines()[-3:])
        raise RegistryError(f"{command[0]} failed with {done.returncode}: {tail}")


def _add(tar: tarfile.TarFile, path: str, content: bytes) -> None:
    entry = tarfile.TarInfo(f".{path}")
    entry.size = len(content)
    entry.mode = 0o755 if content.startswith(b"#!") else 0o644
    entry.mtime = int(time.time())
    tar.addfile(entry, io.BytesIO(content))


def _import_image(docker: DockerClient, tar: Path) -> str:
    """Imports a root file system; gives the image's id."""
    answer = docker.api.import_image_from_file(str(tar), changes=['CMD ["bash"]'])
    last = json.loads(answer.strip().splitlines()[-1])
    if "status" not in last:
        raise RegistryError(f"importing the root file system failed: {last.get('error', last)}")
    return str(last["status"])


def _status(address: str, port: int, path: str) -> int:
    """The status of a GET, 0 when nobody answers."""
    connection = HTTPConnection(address, port, timeout=5)
    try:
        connection.request("GET", path, headers={"Accept": "application/vnd.docker.distribution.manifest.v2+json"})
        return connection.getresponse().status
    except (OSError, HTTPException):
        return 0
    finally:
        connection.close()


def _end_leftover(pid: Path, config: Path) -> None:
    """Ends the process of an earlier sandbox that was killed, if it is still ours."""
    if not pid.exists():
        return
    number = pid.read_text()
    command = Path("/proc") / number / "cmdline"
    with contextlib.suppress(OSError, ValueError):
        if command.read_bytes().split(b"\0")[:3] == [PROGRAM.encode(), b"serve", str(config).encode()]:
            os.kill(int(number), signal.SIGTERM)
            deadline = time.monotonic() + START_SECONDS
            while command.exists() and time.monotonic() < deadline:
                time.sleep(0.05)
