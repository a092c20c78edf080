"""A service's block, by its name on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from fleet.errors import InvalidInput

if TYPE_CHECKING:
    from blocks.service import Service


def load(name: str) -> Service:
    """The block.

    Raises:
        InvalidInput: there is none of that name.
    """
    from blocks.service import Service  # Prefect reads its settings when it is imported

    try:
        return cast(Service, Service.load(name))
    except ValueError as error:
        raise InvalidInput(f"There is no service {name!r}.", hint="See Blocks in the UI.") from error
