"""The refusals of the API, by DigitalOcean's own names."""

from __future__ import annotations


class ApiError(Exception):
    """One refused call: an HTTP status, DigitalOcean's id for it, and a sentence."""

    def __init__(self, status: int, id: str, message: str) -> None:
        super().__init__(f"{message} ({id})")
        self.status = status
        self.id = id
        self.message = message
        self.headers: dict[str, str] = {}


def unprocessable(message: str) -> ApiError:
    """422: the body cannot be carried out."""
    return ApiError(422, "unprocessable_entity", message)


def not_found() -> ApiError:
    """404, with the sentence that DigitalOcean has for every kind of thing."""
    return ApiError(404, "not_found", "The resource you were accessing could not be found.")
