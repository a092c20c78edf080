"""What each health round ends with, once everybody has been asked and the table is shown."""

from __future__ import annotations

from collections.abc import Sequence

from blocks.environment import Environment
from tasks import heartbeats, notices, soaks, vigils


def finish(environments: Sequence[Environment]) -> None:
    """Looks at what soaks, tells what could not be told before, and gives signs of life; none of it fails the round."""
    soaks.watch(environments)
    vigils.hand_over(environments)
    for environment in environments:
        notices.tell(environment)
    heartbeats.beat(environments)
