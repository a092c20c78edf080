"""From a Compose file to services: a pure function, which says everything that it cannot carry over at once."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployments.compose import kinds, values
from deployments.compose.document import Findings, Where
from deployments.compose.environment import Surroundings, given
from deployments.compose.refusals import mapping, refuse
from fleet.errors import InvalidInput
from fleet.spec import BuildSource, ImageSource, Scheduled, ServiceSpec, Source, Volume


@dataclass(frozen=True)
class Imported:
    """The services of a file, and what a person should know of them."""

    services: tuple[ServiceSpec, ...]
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Each service in a line; no value that may be a secret is in it."""
        return [_line(one) for one in self.services]


def _line(spec: ServiceSpec) -> str:
    kind = type(spec.runs).__name__.lower()
    where = ", ".join(spec.domains) or (spec.runs.cron if isinstance(spec.runs, Scheduled) else f"port {spec.port}")
    source = spec.source.context if isinstance(spec.source, BuildSource) else getattr(spec.source, "reference", "")
    parts = [f"{spec.name}: {kind}" + ("" if kind == "worker" else f" ({where})"), f"from {source}"]
    parts += [f"{spec.replicas} replicas"] * (spec.replicas > 1)
    parts += [f"volume {one.name} at {one.path}" for one in spec.volumes]
    parts += [f"secrets {', '.join(sorted(spec.secrets))}"] * bool(spec.secrets)
    return "; ".join(parts)


def read(
    document: Mapping[str, Any],
    around: Surroundings | None = None,
    findings: Findings | None = None,
    name: str = "The file",
) -> Imported:
    """Translates a Compose document; changes nothing and asks nobody.

    Args:
        document: the file's values, with variables filled in.
        around: what its meaning depends on beside itself.
        findings: what was found wrong so far, and the lines of the values.
        name: what a person calls the file.

    Raises:
        InvalidInput: something cannot be carried over; the message names all of it, with its place.
    """
    around, findings = around or Surroundings(), findings or Findings()
    refuse(document, findings)
    services = mapping(document.get("services"))
    for unknown in sorted(around.domains.keys() - services.keys()):
        findings.problem(("services",), f"--domain names {unknown}, which is none of them")
    found = [_service(one, value or {}, document, around, findings) for one, value in services.items()]
    findings.stop(name)
    return Imported(tuple(one for one in found if one), tuple(findings.notes))


def _service(
    name: str, service: Any, document: Mapping[str, Any], around: Surroundings, findings: Findings
) -> ServiceSpec | None:
    where: Where = ("services", name)
    if not isinstance(service, Mapping):
        findings.problem(where, "it is no mapping")
        return None
    before = len(findings.problems)
    try:
        made = _translated(name, service, document, around, findings)
    except InvalidInput as error:
        findings.problem(where, str(error))
    except (values.Unfit, ValueError, TypeError, AttributeError) as error:
        findings.problem(where, f"it is not as Compose has it: {error}")
    else:
        return made if len(findings.problems) == before else None
    return None


def _translated(
    name: str, service: Mapping[str, Any], document: Mapping[str, Any], around: Surroundings, findings: Findings
) -> ServiceSpec | None:
    where: Where = ("services", name)
    chosen = kinds.options(service, where, findings)
    if name in around.domains:
        chosen["domain"] = around.domains[name]
    runs = kinds.runs(service, chosen, where, findings)
    source = _source(service, where, around, findings)
    volumes = _volumes(service, mapping(document.get("volumes")), where, findings)
    put_in = given(service, chosen, mapping(document.get("secrets")), where, around, findings)
    if runs is None or source is None:
        return None
    return ServiceSpec(
        name=name,
        source=source,
        runs=runs,
        replicas=_replicas(service),
        health=kinds.health(service, chosen, runs, where, findings),
        variables=put_in.variables,
        secrets=put_in.secrets,
        volumes=volumes,
        command=_words(service.get("command")),
        **_limits(service),
    )


def _source(service: Mapping[str, Any], where: Where, around: Surroundings, findings: Findings) -> Source | None:
    build = service.get("build")
    if build is None:
        if not service.get("image"):
            findings.problem(where, "it has neither an image nor a build")
            return None
        return ImageSource(str(service["image"]))
    entry = build if isinstance(build, Mapping) else {"context": build}
    context = str(entry.get("context") or ".")
    if "://" in context or context.startswith("git@"):
        at: Where = (*where, "build", "context") if isinstance(build, Mapping) else (*where, "build")
        findings.problem(at, "a context elsewhere; import a local one, then choose `Build from git` in its form")
        return None
    folder = Path(_normal(around.folder / context))
    return BuildSource(str(folder), str(entry.get("dockerfile") or "Dockerfile").removeprefix("./"))


def _normal(path: Path) -> str:
    """The path without `.` and `..`, and without following links, which a pure function cannot."""
    parts: list[str] = []
    for part in path.parts[1:]:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/" + "/".join(parts)


def _volumes(
    service: Mapping[str, Any], declared: Mapping[str, Any], where: Where, findings: Findings
) -> tuple[Volume, ...]:
    found: list[Volume] = []
    for index, one in enumerate(service.get("volumes") or ()):
        at = (*where, "volumes", index)
        name, path, mode = _mount(one)
        if name.startswith((".", "/", "~")):
            findings.problem(at, f"a bind mount of {name}: put the files into the image, or use a named volume")
        elif not name:
            findings.problem(at, f"a volume without a name at {path}: give it one")
        elif name not in declared:
            findings.problem(at, f"the file declares no volume {name}")
        elif mode not in ("", "rw"):
            findings.problem(at, f"a volume is for reading and writing; {mode} cannot be had")
        else:
            found.append(Volume(name.lower().replace("_", "-"), path))
    return tuple(found)


def _mount(one: Any) -> tuple[str, str, str]:
    """Source, target and mode; what is no named volume has a source that says so."""
    if isinstance(one, Mapping):
        source, target = str(one.get("source") or ""), str(one.get("target") or "")
        if one.get("type", "volume") != "volume":
            return f"/({one['type']}) {source}".strip(), target, ""
        return source, target, "ro" if one.get("read_only") else ""
    source, _, rest = str(one).partition(":")
    path, _, mode = rest.partition(":")
    return (source, path, mode) if rest else ("", source, "")


def _words(command: Any) -> tuple[str, ...]:
    if isinstance(command, list):
        return tuple(map(str, command))
    return tuple(shlex.split(str(command))) if command else ()


def _replicas(service: Mapping[str, Any]) -> int:
    deploy = mapping(service.get("deploy"))
    wanted = deploy.get("replicas", service.get("scale"))
    return 1 if wanted is None else int(wanted)


def _limits(service: Mapping[str, Any]) -> dict[str, Any]:
    limits = mapping(mapping(mapping(service.get("deploy")).get("resources")).get("limits"))
    memory, cpus = limits.get("memory", service.get("mem_limit")), limits.get("cpus", service.get("cpus"))
    found: dict[str, Any] = {}
    if memory is not None:
        found["memory_mib"] = values.mebibytes(memory)
    if cpus is not None:
        found["cpus"] = float(cpus)
    if service.get("stop_grace_period"):
        found["drain_seconds"] = max(1, round(values.seconds(service["stop_grace_period"])))
    return found
