"""The failures that Cloudflare names by a number; each is answered as an envelope with that number in it."""

from __future__ import annotations

from typing import Any


class CloudflareError(Exception):
    """One refused call: an HTTP status, Cloudflare's code and its sentence."""

    def __init__(self, status: int, code: int, message: str, *, chain: tuple[int, str] | None = None) -> None:
        super().__init__(f"{message} ({code})")
        self.status = status
        self.code = code
        self.message = message
        self.chain = chain
        self.headers: dict[str, str] = {}

    def as_dict(self) -> dict[str, Any]:
        """The entry of the envelope's `errors`."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.chain:
            error["error_chain"] = [{"code": self.chain[0], "message": self.chain[1]}]
        return error


def invalid(code: int, message: str) -> CloudflareError:
    """A request whose content Cloudflare refuses: 400."""
    return CloudflareError(400, code, message)


def no_such_zone(zone_id: str) -> CloudflareError:
    """An identifier that routes to nothing: 404, as for a zone of somebody else."""
    return CloudflareError(
        404, 7003, f"Could not route to /client/v4/zones/{zone_id}, perhaps your object identifier is invalid?"
    )


def no_such_record() -> CloudflareError:
    """A DNS record that is gone or never was: 404."""
    return CloudflareError(404, 81044, "Record does not exist.")
