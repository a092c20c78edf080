"""A Compose file, read: its values with all variables filled in, and the line of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from deployments.compose import values
from fleet.errors import InvalidInput

Where = tuple[str | int, ...]
"""The way to a value: `("services", "web", "ports", 0)`."""
BYTES_LIMIT = 1 << 20
VALUES_LIMIT = 50_000
"""More values than any file has; one with anchors inside anchors may mean billions."""


@dataclass
class Findings:
    """What cannot be carried over, and what a person should know of the rest."""

    lines: Mapping[Where, int] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def problem(self, where: Where, what: str) -> None:
        """One more reason to stop."""
        self.problems.append((self.line(where), f"{dotted(where)}: {what}"))

    def note(self, where: Where, what: str) -> None:
        """One more thing to know."""
        self.notes.append(f"{dotted(where)}: {what}")

    def line(self, where: Where) -> int:
        """Where in the file a value is; 0 when it has no place of its own there (a document that is no file)."""
        while where and where not in self.lines:
            where = where[:-1]
        return self.lines.get(where, 0)

    def stop(self, name: str) -> None:
        """Ends the import when anything was found.

        Raises:
            InvalidInput: all of it, in the order of the file.
        """
        if self.problems:
            shown = [f"  {name}{f':{line}' if line else ''}: {what}" for line, what in sorted(self.problems)]
            raise InvalidInput(
                f"{name} cannot be imported as it is:\n" + "\n".join(shown) + "\n",
                hint="Nothing was saved. Change these lines, in a copy if Compose needs them, and import it again.",
            )


def dotted(where: Where) -> str:
    """The way to a value, for people: `services.web.ports[0]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where).removeprefix(".")


def load(source: str, variables: Mapping[str, str]) -> tuple[dict[str, Any], Findings]:
    """The file's values, and what was found wrong with its variables.

    Raises:
        InvalidInput: it is no YAML, or not a mapping.
    """
    if len(source) > BYTES_LIMIT:
        raise InvalidInput(f"The file is larger than {BYTES_LIMIT >> 20} MiB.", hint="Is it a Compose file?")
    try:
        document = yaml.safe_load(source)
        tree = yaml.compose(source, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidInput(f"It is no YAML: {error}.", hint="`docker compose config` shows where.") from error
    if not isinstance(document, dict) or not isinstance(document.get("services"), dict) or tree is None:
        raise InvalidInput("It has no services.", hint="Give a Compose file, e.g. compose.yaml.")
    try:
        findings = Findings(dict(_lines(tree, (), iter(range(VALUES_LIMIT)))))
        return dict(_fill(document, (), variables, findings, iter(range(VALUES_LIMIT)))), findings
    except RecursionError:
        raise InvalidInput("Its values nest too deeply.", hint="Does an anchor contain itself?") from None


def _lines(node: yaml.Node, where: Where, budget: Iterator[int]) -> Iterator[tuple[Where, int]]:
    _spend(budget)
    yield where, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = str(key.value)
            yield (*where, name), key.start_mark.line + 1
            yield from (one for one in _lines(value, (*where, name), budget) if one[0] != (*where, name))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _lines(value, (*where, index), budget)


def _fill(value: Any, where: Where, variables: Mapping[str, str], findings: Findings, budget: Iterator[int]) -> Any:
    _spend(budget)
    if isinstance(value, str):
        try:
            return values.interpolate(value, variables)
        except values.Unfit as error:
            findings.problem(where, str(error))
            return ""
    if isinstance(value, dict):
        return {str(key): _fill(one, (*where, str(key)), variables, findings, budget) for key, one in value.items()}
    if isinstance(value, list):
        return [_fill(one, (*where, index), variables, findings, budget) for index, one in enumerate(value)]
    return value


def _spend(budget: Iterator[int]) -> None:
    if next(budget, None) is None:
        raise InvalidInput(f"It means more than {VALUES_LIMIT} values.", hint="Does an anchor contain anchors?")
