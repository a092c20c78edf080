"""What a service of a Compose file is given: variables, and the secrets among them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployments.compose import kinds, values
from deployments.compose.document import Findings, Where


@dataclass(frozen=True)
class Surroundings:
    """What a file's meaning depends on, beside itself."""

    folder: Path = Path("/")
    """Where the file is: paths in it are relative to that."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Those of `.env` and of the environment."""
    domains: Mapping[str, str] = field(default_factory=dict)
    """Names by service, from the command line."""
    open: Callable[[Path], str] = Path.read_text
    """Reads a file that this one names. Raises OSError when it is not there."""


@dataclass(frozen=True)
class Given:
    """What a container is given."""

    variables: dict[str, str]
    secrets: dict[str, str]


def given(
    service: Mapping[str, Any],
    chosen: Mapping[str, Any],
    declared: Mapping[str, Any],
    where: Where,
    around: Surroundings,
    findings: Findings,
) -> Given:
    """Variables and secrets of a service; `declared` are the secrets of the whole file."""
    found = _env_files(service, where, around, findings)
    for name, value in kinds.pairs(service.get("environment")).items():
        if value is None and name not in around.variables:
            findings.problem((*where, "environment"), f"{name} is taken from outside, and is not in .env either")
        found[name] = around.variables.get(name, "") if value is None else value
    plain, extra = _names(chosen.get("variables")), _names(chosen.get("secrets"))
    secret = {name for name, value in found.items() if name in extra or values.is_secret(name, value)} - plain
    secrets = {name: found.pop(name) for name in sorted(secret)}
    for name in secrets:
        if f"{name}_FILE" not in found:
            found[f"{name}_FILE"] = f"/run/secrets/{name}"
        what = f"a secret, no variable: it is in the file /run/secrets/{name}, as {name}_FILE says"
        findings.note((*where, "environment", name), what)
    return Given(found, secrets | _declared(service, declared, where, around, findings))


def _names(value: Any) -> set[str]:
    return {str(one) for one in value} if isinstance(value, list) else set(str(value or "").replace(",", " ").split())


def _env_files(service: Mapping[str, Any], where: Where, around: Surroundings, findings: Findings) -> dict[str, str]:
    listed = service.get("env_file") or []
    found: dict[str, str] = {}
    for index, one in enumerate(listed if isinstance(listed, list) else [listed]):
        path, required = (one.get("path"), one.get("required", True)) if isinstance(one, Mapping) else (one, True)
        at = (*where, "env_file", index) if isinstance(listed, list) else (*where, "env_file")
        try:
            found |= values.env_file(around.open(around.folder / str(path)), around.variables)
        except (OSError, UnicodeDecodeError) as error:
            if required:
                findings.problem(at, f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}")
        except values.Unfit as error:
            findings.problem(at, f"{path}: {error}")
    return found


def _declared(
    service: Mapping[str, Any], declared: Mapping[str, Any], where: Where, around: Surroundings, findings: Findings
) -> dict[str, str]:
    found: dict[str, str] = {}
    for index, one in enumerate(service.get("secrets") or ()):
        at = (*where, "secrets", index)
        entry = one if isinstance(one, Mapping) else {"source": one}
        source, target = str(entry.get("source")), str(entry.get("target") or entry.get("source"))
        for name in sorted(entry.keys() & {"uid", "gid", "mode"}):
            findings.problem((*at, name), "every container reads its own secrets, and no others")
        if source not in declared:
            findings.problem(at, f"the file has no secret {source}")
        else:
            found[target.removeprefix("/run/secrets/")] = _content(source, declared[source] or {}, around, findings)
    return found


def _content(name: str, declared: Mapping[str, Any], around: Surroundings, findings: Findings) -> str:
    where = ("secrets", name)
    if "file" in declared:
        try:
            return around.open(around.folder / str(declared["file"]))
        except (OSError, UnicodeDecodeError) as error:
            findings.problem((*where, "file"), f"{declared['file']} cannot be read: {error}")
    elif declared.get("environment") in around.variables:
        return around.variables[declared["environment"]]
    else:
        findings.problem(where, "its content is known to Docker only; give it a file, or a variable that has a value")
    return ""
