"""What of a Compose file has no counterpart here: found, and named with its reason."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from deployments.compose.document import Findings, Where

CARRIED = {
    "image", "build", "command", "environment", "env_file", "volumes", "ports", "expose", "healthcheck", "deploy",
    "mem_limit", "cpus", "scale", "labels", "secrets", "stop_grace_period", "depends_on", "networks",
}  # fmt: skip
"""Keys of a service that have a counterpart, or are looked at by themselves."""
NEEDLESS = {
    "container_name", "restart", "logging", "init", "pull_policy", "stdin_open", "tty", "hostname", "annotations",
    "attach", "develop", "mem_reservation", "platform",
}  # fmt: skip
"""Keys whose work is done here in another way, or not needed."""
REASONS = {
    "privileged": "no container may change its droplet",
    "devices": "a droplet has no devices for containers",
    "cap_add": "no container gets more rights than Docker's usual ones",
    "network_mode": "every container has an address of its own; services reach each other by name",
    "profiles": "every service of the file is imported; put those of a profile into a file of their own",
    "extends": "write out what it takes over; `docker compose config` does",
    "links": "services reach each other by their names; change the address in its variables",
    "external_links": "services reach each other by their names; change the address in its variables",
    "configs": "put the file into the image, or its content into a variable",
    "entrypoint": "only the command can be replaced; put the entrypoint into the image",
    "user": "put USER into the Dockerfile",
    "working_dir": "put WORKDIR into the Dockerfile",
    "tmpfs": "a container's own file system is used",
    "extra_hosts": "names come from the environment's services and from DNS",
}
ELSEWHERE = "Deployer has no counterpart"
BUILD = {"context", "dockerfile", "tags", "labels", "cache_from", "cache_to", "pull", "no_cache"}
DEPLOY = {"replicas", "resources", "mode", "restart_policy", "update_config", "rollback_config", "labels"}
TOP = {"services", "version", "name", "volumes", "networks", "secrets"}


def refuse(document: Mapping[str, Any], findings: Findings) -> None:
    """Notes everything that cannot be carried over, wherever it is in the document."""
    for key in document:
        if key not in TOP and not key.startswith("x-"):
            findings.problem((key,), REASONS.get(key, ELSEWHERE))
    _declarations(document, findings)
    for name, service in mapping(document.get("services")).items():
        _service(mapping(service), ("services", name), findings)
    _shared_volumes(document, findings)


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is a mapping; else an empty one: what is wrong with it is said elsewhere."""
    return value if isinstance(value, Mapping) else {}


def _declarations(document: Mapping[str, Any], findings: Findings) -> None:
    for name, network in mapping(document.get("networks")).items():
        for key in sorted(mapping(network).keys() - {"name", "labels"}):
            if not (key == "driver" and network[key] in ("bridge", "overlay", "default")):
                findings.problem(("networks", name, key), "the environment's services share one network of its own")
    for name, volume in mapping(document.get("volumes")).items():
        for key in sorted(mapping(volume).keys() - {"labels"}):
            if not (key == "driver" and volume[key] == "local"):
                findings.problem(("volumes", name, key), "a volume is a plain one, new, and on the droplet's own disk")
    for name, secret in mapping(document.get("secrets")).items():
        if mapping(secret).get("external"):
            findings.problem(("secrets", name, "external"), "Docker alone knows it; give it a file or a variable")


def _service(service: Mapping[str, Any], where: Where, findings: Findings) -> None:
    for key in service:
        if key in NEEDLESS or key in CARRIED or key.startswith("x-"):
            continue
        if service[key] not in (None, False, [], {}):
            findings.problem((*where, key), REASONS.get(key, ELSEWHERE))
    _parts(service.get("build"), BUILD, (*where, "build"), findings)
    deploy = service.get("deploy")
    _parts(deploy, DEPLOY, (*where, "deploy"), findings)
    if isinstance(deploy, Mapping):
        if deploy.get("mode", "replicated") != "replicated":
            findings.problem((*where, "deploy", "mode"), "give a number of replicas: it is on so many droplets")
        limits = mapping(deploy.get("resources")).get("limits")
        _parts(limits, {"cpus", "memory"}, (*where, "deploy", "resources", "limits"), findings)
    _dependencies(service.get("depends_on"), (*where, "depends_on"), findings)
    _networks(service.get("networks"), (*where, "networks"), findings)


def _parts(value: Any, known: set[str], where: Where, findings: Findings) -> None:
    if isinstance(value, Mapping):
        for key in value:
            if key not in known:
                findings.problem((*where, key), ELSEWHERE)


def _dependencies(value: Any, where: Where, findings: Findings) -> None:
    """An order of starting is needless here; a condition is not kept, so whoever relies on it must know."""
    if not isinstance(value, Mapping):
        return
    for name, one in value.items():
        condition = mapping(one).get("condition", "service_started")
        if condition != "service_started":
            findings.problem(
                (*where, name, "condition"), f"{condition} is not waited for: let the program itself try again"
            )


def _networks(value: Any, where: Where, findings: Findings) -> None:
    if not isinstance(value, Mapping):
        return
    for name, one in value.items():
        for key in mapping(one):
            findings.problem((*where, name, key), "a service is reached by its own name, at an address of its own")


def _shared_volumes(document: Mapping[str, Any], findings: Findings) -> None:
    users: dict[str, list[str]] = defaultdict(list)
    declared = mapping(document.get("volumes"))
    for name, service in mapping(document.get("services")).items():
        mounts = mapping(service).get("volumes")
        for one in mounts if isinstance(mounts, list) else ():
            source = one.get("source") if isinstance(one, Mapping) else str(one).partition(":")[0]
            if source in declared and name not in users[str(source)]:
                users[str(source)].append(name)
    for source, names in users.items():
        if len(names) > 1:
            findings.problem(("volumes", source), f"{' and '.join(names)} share it; a volume belongs to one service")
