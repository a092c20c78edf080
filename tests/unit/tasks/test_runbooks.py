"""What a flow says at its door."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, Field, ValidationError

from tasks.runbooks import explain


class Thing(BaseModel):
    """Stands for a block."""

    port: int = Field(ge=1)
    token: str = Field(max_length=3)


def invalid() -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        Thing.model_validate({"port": 0, "token": "canary-secret"})
    return caught.value


def test_a_block_with_a_bad_value_is_named_with_field_and_reason_but_never_the_value() -> None:
    said = str(explain(invalid(), {}))
    assert "Thing cannot be used: port: Input should be greater than or equal to 1; token: String should have" in said
    assert "canary" not in said


def test_the_reason_is_found_however_deep_it_is_wrapped() -> None:
    wrapped = RuntimeError("Unable to load")
    wrapped.__cause__ = invalid()
    assert "port: Input should be greater" in str(explain(wrapped, {}))


def test_a_block_that_is_not_there_is_named_with_what_to_do() -> None:
    asked = {"service": {"$ref": {"block_document_slug": "service/none"}}, "lines": 3}
    said = str(explain(ValueError("Unable to find"), asked))
    assert said.startswith("A block that this run names is not there (service service/none). Choose one")
