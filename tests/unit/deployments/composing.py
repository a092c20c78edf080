"""Compose files as the tests read them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from deployments.compose import Imported, read
from deployments.compose.document import load
from deployments.compose.environment import Surroundings
from fleet.errors import InvalidInput
from fleet.spec import ServiceSpec

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "examples" / "compose" / "compose.yaml"


def imported(
    text: str, files: Mapping[str, str] | None = None, domains: Mapping[str, str] | None = None, **variables: str
) -> Imported:
    """What a file in `/srv` means, beside these files and with these variables."""

    def opened(path: Path) -> str:
        try:
            return (files or {})[str(path)]
        except KeyError:
            raise FileNotFoundError(2, "No such file or directory", str(path)) from None

    document, findings = load(text, variables)
    around = Surroundings(Path("/srv"), variables, domains or {}, opened)
    return read(document, around, findings, "compose.yaml")


def only(text: str, **more: Any) -> ServiceSpec:
    """The one service, `a`, of which these are the lines."""
    lines = "\n".join(f"    {line}" for line in text.strip().splitlines())
    (found,) = imported(f"services:\n  a:\n{lines}\n", **more).services
    return found


def refused(text: str, **more: Any) -> list[str]:
    """Every reason why a file is not imported."""
    with pytest.raises(InvalidInput) as caught:
        imported(text, **more)
    assert caught.value.message.startswith("compose.yaml cannot be imported as it is:\n")
    return [line.strip() for line in caught.value.message.splitlines()[1:]]


WEB = "image: a\nports: ['80:80']\nx-deployer: {domain: a.example.com}\n"
