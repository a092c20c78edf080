"""Take out of a baked droplet all that must not be copied, and close SSH for ever.

After it the droplet can only be switched off and made a snapshot of. Nobody can log in over the network to what
starts from that snapshot, with or without a firewall: sshd is masked and has no authorized keys. The provider's
console stays (it needs a root password, which is reset in the provider's panel).
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Final

from fleet.errors import PermanentError, TransientError
from tasks.bake.shell import Shell, answers
from tasks.bake.steps import Step

_SERVICES: Final = (
    "deployer-agent.service", "deployer-peers.service", "nginx.service", "docker.socket", "docker.service",
    "containerd.service",
)  # fmt: skip
_IDENTITY: Final = (
    "/etc/deployer/droplet",
    "/etc/deployer/boot.key",
    "/etc/docker/key.json",
    "/var/lib/docker/engine-id",
    "/var/lib/systemd/random-seed",
    "/var/lib/systemd/credential.secret",
)
_CONTENTS: Final = (
    "/var/lib/deployer", "/var/lib/apt/lists", "/var/cache/apt/archives", "/var/lib/dhcp", "/var/log/journal",
    "/root/.cache", "/tmp", "/var/tmp",  # noqa: S108 - to be emptied
)  # fmt: skip
_CLOSE_SECONDS: Final = 15.0


def forget_identity(shell: Shell) -> None:
    """Stop the services; remove the machine's ids, certificates, agent state and cloud-init's memory."""
    shell.run("systemctl", "stop", *_SERVICES)
    shell.run("rm", "-f", *_IDENTITY)
    shell.run("cloud-init", "clean", "--logs")
    # Empty, not absent and not "uninitialized": either would make systemd enable every unit it finds at the next boot.
    shell.run("truncate", "--size=0", "/etc/machine-id")
    shell.run("ln", "-sf", "/etc/machine-id", "/var/lib/dbus/machine-id")


def empty_traces(shell: Shell) -> None:
    """Remove apt's lists, logs, histories and temporary files."""
    shell.run("apt-get", "clean")
    for folder in _CONTENTS:
        shell.run("mkdir", "-p", folder)
        shell.run("find", folder, "-xdev", "-mindepth", "1", "-delete")
    shell.run("find", "/var/log", "-xdev", "-type", "f", "-delete")
    shell.run("find", "/root", "/home", "-xdev", "-maxdepth", "2", "-name", ".*_history", "-delete")


def close_ssh(shell: Shell) -> None:
    """Mask sshd, remove its keys and stop it; the connection that asks this is the last one."""
    shell.run("systemctl", "mask", "--quiet", "ssh.service", "ssh.socket")
    shell.run("find", "/root/.ssh", "/home", "-xdev", "-name", "authorized_keys*", "-delete")
    shell.run("find", "/etc/ssh", "-xdev", "-name", "ssh_host_*", "-delete")
    shell.run("sync")
    with suppress(TransientError):  # stopping sshd may cut this very connection, with or without an exit code
        shell.run("systemctl", "stop", "ssh.service", "ssh.socket", accept=(0, -1))


def check_closed(shell: Shell) -> None:
    """Prove from here that nothing greets on port 22 any more; raises PermanentError when something does."""
    deadline = time.monotonic() + _CLOSE_SECONDS
    while answers(shell.address):
        if time.monotonic() > deadline:
            raise PermanentError(
                f"{shell.address}: sshd still answers after the seal.", hint="Do not make a snapshot of this droplet."
            )
        time.sleep(0.5)


SEAL: Final[tuple[tuple[Step, ...], ...]] = (
    (Step("forget identity", forget_identity),),
    (Step("empty traces", empty_traces),),
    (Step("close SSH", close_ssh),),
    (Step("check that SSH is closed", check_closed),),
)
"""What a seal does, in order."""
