"""Memory, pauses and records as JSON, and back again without any loss."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, TypeVar

from pydantic import TypeAdapter

from fleet.remediation.moments import Moment
from fleet.remediation.observations import Observation
from fleet.remediation.state import State

Value = TypeVar("Value")


def dump(value: object) -> str:
    """A value of one of the types of this package as one line of JSON."""
    return _adapter(type(value)).dump_json(value).decode()


def load(kind: type[Value], text: str | bytes) -> Value:
    """The value that such a line holds.

    Raises:
        pydantic.ValidationError: it holds no such value; a subclass of ValueError.
    """
    loaded: Value = _adapter(kind).validate_json(text)
    return loaded


def identify(state: State, observations: Sequence[Observation], now: Moment) -> str:
    """A name for a decision: its time, and digits that stand for all that it follows from."""
    whole = "\n".join([dump(state), *(dump(one) for one in observations), dump(now)])
    return f"{now.utc:%Y%m%dt%H%M%S}-{sha256(whole.encode()).hexdigest()[:10]}"


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}
"""They take long to make."""
