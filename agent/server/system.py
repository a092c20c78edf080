"""The whole system as root sees it: run by `deployer-examine.service` for the agent, which sees its own part only."""

from __future__ import annotations

import logging
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from agent import wire
from agent.server import disk
from agent.server.examination import ANSWERED, ASKED
from agent.server.secret_files import write_private

SECONDS: Final = 60
TRIAL: Final = "deployer/trial:latest"
SSH_UNITS: Final = ("ssh.service", "ssh.socket")
_RUN: Final = Path("/run/deployer")
_TRUE: Final = Path("/usr/bin/true")
_LISTEN: Final = "0A"
_LOOPBACK: Final = ("0100007F", "00000000000000000000000001000000")
log = logging.getLogger("agent")


def main(run: Path = _RUN) -> int:
    """Answers the question that lies in `run`, and takes it away first."""
    asked = run / ASKED
    question = wire.Examine.model_validate_json(asked.read_bytes())
    asked.unlink()
    write_private(run / ANSWERED, look(question).model_dump_json().encode())
    log.info("examined", extra={"fields": {"marks": len(question.marks)}})
    return 0


def look(question: wire.Examine, root: Path = Path("/")) -> wire.Examination:
    """Everything that is asked about a droplet."""
    return wire.Examination(
        machine=wire.fingerprint((root / "etc/machine-id").read_bytes()),
        host_keys=tuple(
            wire.fingerprint(path.read_bytes()) for path in sorted((root / "etc/ssh").glob("ssh_host_*.pub"))
        ),
        listening=listening((root / "proc/net" / name).read_text() for name in ("tcp", "tcp6")),
        ssh=tuple(unit for unit in SSH_UNITS if _may_start(unit)),
        leftovers=tuple(str(path) for path in leftovers(root)),
        nginx=_problem("nginx", "-t"),
        docker=_runs(question.image),
        image=_image(question.image),
        packages=packages(_said("dpkg-query", "--show", "--showformat=${Package}:${Architecture}=${Version}\\n")[1]),
        found=tuple(
            wire.Found(mark=mark, path=path)
            for mark, path in disk.find([one.encode() for one in question.marks], (root, root / "var/lib/docker"))
        ),
    )


def listening(tables: Iterable[str]) -> tuple[int, ...]:
    """The TCP ports open to others, of the kernel's tables."""
    rows = [line.split() for table in tables for line in table.splitlines()[1:]]
    open_to_all = (row[1].split(":") for row in rows if row[3] == _LISTEN)
    return tuple(sorted({int(port, 16) for address, port in open_to_all if address not in _LOOPBACK}))


def leftovers(root: Path) -> Iterator[Path]:
    """What lets somebody log in, or tells what somebody did."""
    homes = [root / "root", *sorted((root / "home").glob("*"))]
    for home in homes:
        keys = sorted((home / ".ssh").glob("authorized_keys*"))
        yield from (path for path in [*keys, *sorted(home.glob(".*_history"))] if path.stat().st_size)


def packages(text: str) -> dict[str, str]:
    """Versions by name, of lines like `nginx:amd64=1.22.1-9`."""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {name.rpartition(":")[0]: version for name, version in pairs}


def _may_start(unit: str) -> bool:
    """Whether systemd could start a unit: it is there, and not masked."""
    return _said("systemctl", "show", "--value", "--property=LoadState", unit)[1] not in ("masked", "not-found")


def _runs(image: str) -> str:
    """Why Docker does not run an image by its own command, or by `true` when it has none; empty: it does."""
    name = image or TRIAL
    if not image and (problem := _make_trial()):
        return problem
    code, said = _start(name)
    if code and "no command specified" in said.lower():
        code, said = _start(name, "true")
    return said if code else ""


def _image(name: str) -> str:
    code, said = _said("docker", "image", "inspect", "--format", "{{.Id}}", name) if name else (1, "")
    return "" if code else said


def _start(image: str, *command: str) -> tuple[int, str]:
    """Starting proves the image: what its command makes of having no network is its own affair."""
    code, said = _said("docker", "run", "--detach", "--pull=never", "--network=none", image, *command)
    if not code:
        _said("docker", "rm", "--force", "--volumes", said)
    return code, said


def _make_trial() -> str:
    """The smallest image that can run: this system's own `true`, and what it is linked to."""
    needs = [word for word in _said("ldd", str(_TRUE))[1].split() if word.startswith("/")]
    with tempfile.NamedTemporaryFile(suffix=".tar") as file:
        with tarfile.open(fileobj=file, mode="w", dereference=True) as archive:
            for path in (str(_TRUE), *needs):
                archive.add(path)
        file.flush()
        return _problem("docker", "import", "--change", f'CMD ["{_TRUE}"]', file.name, TRIAL)


def _problem(*command: str) -> str:
    code, said = _said(*command)
    return (said or f"exit code {code}") if code else ""


def _said(*command: str) -> tuple[int, str]:
    """Exit code and output; standard error where it failed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, str(error)
    return done.returncode, (done.stdout.strip() or (done.stderr.strip() if done.returncode else ""))
