"""A flow whose door answers: parameters that cannot be used are refused with what is wrong and what to do.

Prefect resolves the references in a run's parameters before the flow begins, and says no more of a failure there than
that it happened (seen in 3.8.8: "Failed to resolve block references in parameters.").
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from prefect import Flow
from prefect.exceptions import ParameterTypeError
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import ValidationError

from fleet.errors import InvalidInput

P = ParamSpec("P")
R = TypeVar("R")
MOST_PROBLEMS = 5
AT_ONCE = 32
"""How many steps of a run go on at the same time, at most."""


class Runbook(Flow[P, R]):
    """A Prefect flow that explains why it does not take its parameters."""

    def validate_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """The parameters with their blocks loaded.

        Raises:
            InvalidInput: a block is not there, or holds a value that it cannot have.
        """
        try:
            return super().validate_parameters(parameters)
        except ParameterTypeError as error:
            raise explain(error.__cause__, parameters) if error.__cause__ else InvalidInput(str(error)) from error
        except ValidationError as error:
            raise explain(error, parameters) from error


def runbook(name: str, run_name: str | Callable[[], str]) -> Callable[[Callable[P, R]], Runbook[P, R]]:
    """Makes a flow of a function.

    Args:
        name: what it and its deployment are called.
        run_name: what its runs are called: a text with parameters in braces, or a function that makes one.
    """
    runner: Any = ThreadPoolTaskRunner(max_workers=AT_ONCE)
    return lambda function: Runbook(function, name=name, flow_run_name=run_name, task_runner=runner)


def explain(cause: BaseException, parameters: dict[str, Any]) -> InvalidInput:
    """What is wrong with the parameters, in words for whoever started the run."""
    if (invalid := _validation_error(cause)) is not None:
        what = f"{invalid.title} cannot be used: {'; '.join(_problems(invalid))}."
        return InvalidInput(what, hint="Mend it, and run.")
    asked = ", ".join(f"{key} {_reference(value)}" for key, value in parameters.items() if _reference(value))
    return InvalidInput(
        f"A block that this run names is not there ({asked or cause}).",
        hint="Choose one in the run form, or make it with the form's Add button.",
    )


def _validation_error(error: BaseException | None) -> ValidationError | None:
    """What pydantic said, however deep Prefect has wrapped it."""
    while error is not None and not isinstance(error, ValidationError):
        error = error.__cause__ or error.__context__
    return error


def _problems(error: ValidationError) -> list[str]:
    """Where and why; never the value, which may be a secret."""
    found = error.errors(include_input=False, include_url=False)
    return [f"{'.'.join(map(str, one['loc']))}: {_sentence(str(one['msg']))}" for one in found[:MOST_PROBLEMS]]


def _sentence(text: str) -> str:
    return text.removeprefix("Value error, ").rstrip(".")


def _reference(value: Any) -> str:
    reference = value.get("$ref") if isinstance(value, dict) else None
    return str(next(iter(reference.values()), "")) if isinstance(reference, dict) else str(reference or "")
