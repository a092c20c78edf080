"""The disk of a new droplet: a small Debian 12 with systemd, cloud-init and sshd, made once by debootstrap."""

from sandbox.image.build import IMAGE, ensure_image

__all__ = ["IMAGE", "ensure_image"]
