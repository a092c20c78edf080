"""What kind of service each of a Compose file is: from its ports, its domain, its cron line, its image."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deployments.compose import values
from deployments.compose.document import Findings, Where
from fleet.spec import Health, Runs, Scheduled, Tcp, Web, Worker

WEB_PORTS = {80, 443, 3000, 5000, 8000, 8080, 8081, 8443, 8888}
"""Published ports that are usually HTTP."""
KNOWN = {
    "redis": 6379, "valkey": 6379, "postgres": 5432, "mysql": 3306, "mariadb": 3306, "mongo": 27017,
    "rabbitmq": 5672, "memcached": 11211, "nats": 4222,
}  # fmt: skip
"""Images that serve a port, whether or not the file says so."""
OPTIONS = {
    "domain", "cron", "zone", "overlap", "run_seconds", "port", "exclusive", "health_path", "variables", "secrets",
}  # fmt: skip
"""What `x-deployer` may hold."""
_PORT = re.compile(r"(?:(?P<host>[0-9]+):)?(?P<target>[0-9]+)(?:/(?P<protocol>tcp|udp))?")
_PROBE = re.compile(
    r"\b(?:curl|wget)\b.*?https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(?::(?P<port>[0-9]+))?(?P<path>/[^\s\"'|;]*)?"
)
_DEFAULT = Health()


@dataclass(frozen=True)
class Port:
    """A port of a container, and where Compose publishes it, if it does."""

    target: int
    published: int | None = None


def options(service: Mapping[str, Any], where: Where, findings: Findings) -> dict[str, Any]:
    """What `x-deployer` and labels of that name say; the former counts where both do."""
    labels = pairs(service.get("labels"))
    found: dict[str, Any] = {
        name.removeprefix("x-deployer."): value for name, value in labels.items() if name.startswith("x-deployer.")
    }
    given = service.get("x-deployer") or {}
    if not isinstance(given, Mapping):
        findings.problem((*where, "x-deployer"), "it is no mapping; write e.g. x-deployer: {cron: 30 4 * * *}")
        given = {}
    found |= given
    for name in sorted(found.keys() - OPTIONS):
        findings.problem((*where, "x-deployer", name), f"not known; it may hold {', '.join(sorted(OPTIONS))}")
    return found


def pairs(value: Any) -> dict[str, str | None]:
    """A mapping, or a list of NAME=value, as Compose takes either."""
    if isinstance(value, Mapping):
        return {str(name): None if one is None else values.text(one) for name, one in value.items()}
    found: dict[str, str | None] = {}
    for one in value or ():
        name, equals, rest = values.text(one).partition("=")
        found[name] = rest if equals else None
    return found


def ports(service: Mapping[str, Any], where: Where, findings: Findings) -> list[Port]:
    """The TCP ports of a service; what Deployer cannot publish is a problem."""
    found: list[Port] = []
    for index, one in enumerate(service.get("ports") or ()):
        at = (*where, "ports", index)
        if isinstance(one, Mapping):
            host = f"{one['published']}:" if one.get("published") else ""
            text = f"{host}{one.get('target')}/{one.get('protocol', 'tcp')}"
            text = f"{one['host_ip']}:{text}" if one.get("host_ip") else text
        else:
            text = str(one)
        match = _PORT.fullmatch(text)
        if match is None:
            findings.problem(at, f"{text}: no range and no host address can be published")
        elif match["protocol"] == "udp":
            findings.problem(at, f"{text}: only TCP is served")
        else:
            found.append(Port(int(match["target"]), int(match["host"] or match["target"])))
    for index, one in enumerate(service.get("expose") or ()):
        match = _PORT.fullmatch(str(one))
        if match is None or match["host"] or match["protocol"] == "udp":
            findings.problem((*where, "expose", index), f"{one}: not a single TCP port")
        else:
            found.append(Port(int(match["target"])))
    return found


def runs(service: Mapping[str, Any], given: Mapping[str, Any], where: Where, findings: Findings) -> Runs | None:
    """What kind of service it is; None when that cannot be said, and a problem was noted."""
    listed = ports(service, where, findings)
    if given.get("cron"):
        zone, longest = str(given.get("zone") or "UTC"), int(given.get("run_seconds") or 1800)
        return Scheduled(str(given["cron"]), zone, _yes(given.get("overlap")), longest)
    web = [port for port in listed if {port.target, port.published} & WEB_PORTS and port.published]
    if given.get("domain"):
        port = _one(given, web or listed, where, findings)
        domains = given["domain"] if isinstance(given["domain"], list) else str(given["domain"]).split(",")
        return Web(port, tuple(str(domain).strip() for domain in domains)) if port else None
    if web:
        name = where[-1]
        findings.problem(
            where,
            f"it publishes {web[0].published}, which is usually HTTP, and has no domain; give one: "
            f"--domain {name}=NAME, or x-deployer: {{domain: NAME}}",
        )
        return None
    return _without_domain(service, given, listed, where, findings)


def _without_domain(
    service: Mapping[str, Any], given: Mapping[str, Any], listed: list[Port], where: Where, findings: Findings
) -> Runs | None:
    known = KNOWN.get(str(service.get("image") or "").rpartition("/")[2].partition(":")[0].partition("@")[0])
    if known and not listed:
        findings.note(where, f"its image serves port {known}, so it is a tcp service")
        listed = [Port(known)]
    if not listed and not given.get("port"):
        if service.get("restart") in ("no", False):
            findings.problem((*where, "restart"), "what runs once is no service; give it x-deployer: {cron: …}")
        return Worker(exclusive=_yes(given.get("exclusive")))
    port = _one(given, listed, where, findings)
    if port and any(one.published and one.target == port for one in listed):
        findings.note(where, f"port {port} is not published any more; the environment's services reach it by name")
    return Tcp(port) if port else None


def _one(given: Mapping[str, Any], listed: Sequence[Port], where: Where, findings: Findings) -> int | None:
    """The only port, or the one that was said to be it."""
    if given.get("port"):
        return int(given["port"])
    targets = sorted({port.target for port in listed})
    if len(targets) == 1:
        return targets[0]
    what = f"it has the ports {', '.join(map(str, targets))}" if targets else "it has no port"
    findings.problem(where, f"{what}; say which one is served: x-deployer: {{port: NUMBER}}")
    return None


def _yes(value: Any) -> bool:
    return value is True or str(value).lower() in ("true", "yes", "1")


def health(
    service: Mapping[str, Any], given: Mapping[str, Any], kind: Runs, where: Where, findings: Findings
) -> Health:
    """How to tell that it serves: the path that a curl or wget asks for, and the times that Compose gives it."""
    check = service.get("healthcheck") or {}
    if not isinstance(kind, Web | Tcp):
        return _DEFAULT
    start = math.ceil(values.seconds(check["start_period"])) if check.get("start_period") else 0
    timeout = values.seconds(check["timeout"]) if check.get("timeout") else _DEFAULT.timeout_seconds
    path = str(given["health_path"]) if given.get("health_path") else None
    if path is None and check.get("test") and not check.get("disable"):
        path = _path(check["test"], kind, (*where, "healthcheck", "test"), findings)
    start_seconds = min(max(start, _DEFAULT.start_seconds), 600)
    return Health(path if isinstance(kind, Web) else None, start_seconds, min(max(timeout, 0.1), 60.0))


def _path(test: Any, kind: Web | Tcp, where: Where, findings: Findings) -> str | None:
    words = " ".join(map(str, test)) if isinstance(test, list) else str(test)
    match = _PROBE.search(words)
    if isinstance(kind, Web) and match and int(match["port"] or 80) == kind.port:
        return match["path"] or "/"
    if words.strip() not in ("", "NONE"):
        findings.note(where, f"not carried over: it is healthy when port {kind.port} accepts a connection")
    return None
