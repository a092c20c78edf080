"""What a fresh droplet's disk holds: the packages, and the few settings that make Debian a droplet."""

from __future__ import annotations

import shutil
from pathlib import Path

from sandbox.image.archive import complete_sources
from sandbox.image.host import apt_settings, authorities

PACKAGES = (
    "ca-certificates", "cloud-init", "curl", "dbus", "iproute2", "iputils-ping", "less", "openssh-server",
    "procps", "python3", "python3-cffi-backend", "python3-venv", "sudo", "systemd", "systemd-sysv",
)  # fmt: skip

_CLOUD_INIT = """\
# As on a droplet: root logs in with the account's keys, and there is no other user.
datasource_list: [ NoCloud, None ]
disable_root: false
users: []
ssh_pwauth: false
network: {config: disabled}
locale: C.UTF-8
resize_rootfs: false
growpart: {mode: "off"}
"""
_MASKED = (  # nothing of these exists in a container
    "console-getty.service", "getty.target", "systemd-udevd.service", "systemd-udev-trigger.service",
    "systemd-modules-load.service", "sys-kernel-debug.mount", "sys-kernel-tracing.mount",
    "systemd-remount-fs.service", "systemd-networkd-wait-online.service", "systemd-journald-audit.socket",
)  # fmt: skip
_LEFTOVERS = (
    "etc/ssh/ssh_host_*", "usr/sbin/policy-rc.d", "etc/resolv.conf", "var/lib/dbus/machine-id", "var/lib/apt/lists/*",
    "var/cache/apt/archives/*.deb", "var/cache/apt/*.bin", "var/log/*.log",
)  # fmt: skip


def settle(root: Path) -> None:
    """Turns a bootstrapped tree into the disk of a droplet that has never been started."""
    complete_sources(root)
    (root / "etc/apt/apt.conf.d/80host").write_text(apt_settings())
    (root / "etc/cloud/cloud.cfg.d/90_droplet.cfg").write_text(_CLOUD_INIT)
    (root / "etc/ssh/sshd_config.d/50-droplet.conf").write_text("PasswordAuthentication no\nUseDNS no\n")
    (root / "etc/machine-id").write_text("")
    for pattern in _LEFTOVERS:
        for path in root.glob(pattern):
            _remove(path)
    for unit in _MASKED:
        (root / "etc/systemd/system" / unit).symlink_to("/dev/null")
    _trust(root)


def _trust(root: Path) -> None:
    """Adds the authorities that this host trusts beyond Debian's, where it reaches the internet through them."""
    folder = root / "usr/local/share/ca-certificates"
    folder.mkdir(parents=True, exist_ok=True)
    bundle = root / "etc/ssl/certs/ca-certificates.crt"
    for path in authorities():
        shutil.copy(path, folder / path.name)
        with bundle.open("a") as all_authorities:
            all_authorities.write(f"\n{path.read_text().strip()}\n")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
